import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readArchive } from '@nva/codec';
import { importLog } from '@nva/event-log';
import { silentLogger, systemClock } from '@nva/ports';
import { freePort } from '@nva/processes';
import supertest from 'supertest';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KafkaFeedUnderTest } from '../../../libs/kafka/test/kafka-feed.ts';
import { createService, readConfig, ROLES, type NvaConfig, type Service } from '../src/index.ts';
import { acceptLoss } from '../src/log/accept-loss.ts';
import { nveBody, temporaryDirectory, tsBody, until, vnBody } from './support.ts';

const FAR = 4_000;
const LIMIT_MS = 240_000;
/** With a broker to start first. */
const TEST_TIMEOUT_MS = 600_000;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let feed: KafkaFeedUnderTest;
let service: Service | null;
let failures: Error[];

beforeEach(async () => {
  directory = await temporaryDirectory();
  feed = await KafkaFeedUnderTest.make();
  service = null;
  failures = [];
});
afterEach(async () => {
  await service?.close();
  await directory.remove();
  await feed.dispose();
});

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');

const configOf = (env: Readonly<Record<string, string>> = {}): NvaConfig =>
  readConfig({
    PORT: '0',
    DATA_DIR: directory.path,
    TOKENS_FILE: join(directory.path, 'tokens.json'),
    KAFKA_BROKERS: feed.brokers.join(','),
    FEED_PREFIX: feed.prefix,
    ...env,
  });

async function start(env: Readonly<Record<string, string>> = {}): Promise<Service> {
  await mkdir(directory.path, { recursive: true });
  await writeFile(
    join(directory.path, 'tokens.json'),
    JSON.stringify({
      operators: [{ name: 'alice', sha256: sha256('alice') }],
      nves: [1, 2].map((n) => ({ nveId: `nve${n}`, tenants: ['red'], sha256: sha256(`nve${n}`) })),
    }),
  );
  return (service = await createService(configOf(env), ROLES, { logger: silentLogger, failed: (cause) => failures.push(cause as Error) }));
}

async function populated(): Promise<Service> {
  const { url, core } = await start();
  const put = (path: string, body: object) => supertest(url).put(path).set('authorization', 'Bearer alice').send(body).expect(200);
  await put('/v1/vns/1', vnBody());
  await put('/v1/vns/2', vnBody({ name: 'VN2' }));
  for (const n of [1, 2]) await put(`/v1/nves/nve${n}`, nveBody(n));
  for (const n of [1, 2]) await put(`/v1/nves/nve${n}/tenant-systems/ts${n}`, tsBody(n));
  await until(() => core.ready && core.distributorRole!.distributor.publishedPosition === core.replica.network.position, LIMIT_MS);
  return service!;
}

const beat = ({ url, core }: Service, vnid: number) =>
  supertest(url)
    .post('/v1/nves/nve1/heartbeat')
    .set('authorization', 'Bearer nve1')
    .send({ incarnation: 1, applied: [{ vnid, log: core.store.logId, position: String(FAR), digest: '0123456789abcdef' }] })
    .expect(200);

it(
  'what one NVE of several says it has applied is looked up on the topic of that VN, and ends the process if it stands there (X1)',
  async () => {
    const nva = await populated();
    const producer = feed.client.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    await producer.send({
      topic: `${feed.prefix}.vn.1`,
      messages: [{ key: 'member/nve9', value: null, headers: { position: String(FAR), log: nva.core.store.logId } }],
    });
    await producer.disconnect();
    await beat(nva, 1);
    await until(() => failures.length > 0, LIMIT_MS);
    expect(failures[0]!.message).toMatch(/it ends at position 6, but «member\/nve9» on topic \S+\.vn\.1 is at position 4000/);
  },
  TEST_TIMEOUT_MS,
);

it(
  'what nothing else bears out, by one NVE of several, goes no further',
  async () => {
    const nva = await populated();
    await beat(nva, 1);
    expect(nva.core.losses.ahead).toBe(1);
    await until(() => nva.core.losses.looks === 1, LIMIT_MS);
    expect(failures).toEqual([]);
    await supertest(nva.url).get('/readyz').expect(200);
  },
  TEST_TIMEOUT_MS,
);

it(
  'a start while the brokers are away does not wait for what they would tell: writes are taken (X6)',
  async () => {
    const { url } = await start({ KAFKA_BROKERS: `127.0.0.1:${await freePort()}` });
    await supertest(url).put('/v1/vns/1').set('authorization', 'Bearer alice').send(vnBody()).expect(200);
    expect(failures).toEqual([]);
  },
  TEST_TIMEOUT_MS,
);

it(
  'a log restored from an export is found to lack what its topics have; once that is accepted, they are made equal to it (X1)',
  async () => {
    const nva = await populated();
    const former = nva.core.store.logId;
    const put = (url: string, path: string, body: object) =>
      supertest(url).put(path).set('authorization', 'Bearer alice').send(body).expect(200);
    const archive = Buffer.from(await (await fetch(`${nva.url}/v1/export`, { headers: { authorization: 'Bearer alice' } })).arrayBuffer());
    await put(nva.url, '/v1/nves/nve1/tenant-systems/ts3', tsBody(3));
    await until(() => nva.core.distributorRole!.distributor.publishedPosition === nva.core.replica.network.position, LIMIT_MS);
    await nva.close();
    service = null;
    await rm(directory.path, { recursive: true });
    const { header, events } = await readArchive(
      (async function* () {
        yield archive;
      })(),
    );
    await mkdir(directory.path, { mode: 0o700 });
    const options = { directory: join(directory.path, 'log'), logId: header.log, schemas: header.schemas, clock: systemClock };
    expect(await importLog(options, events)).toBe(header.to);
    await expect(
      start().then(async (restored) => {
        await until(() => failures.length > 0 || restored.core.ready, LIMIT_MS);
        if (failures[0]) throw failures[0];
      }),
    ).rejects.toThrow(`it ends at position ${header.to}`);
    await (service as Service | null)?.close();
    failures = [];
    await acceptLoss(configOf(), 'the disk died; restored from an export', systemClock, silentLogger);
    const { url, core } = await start();
    await until(() => core.ready && core.distributorRole!.distributor.publishedPosition === core.replica.network.position, LIMIT_MS);
    expect(core.store.logId).not.toBe(former);
    const keys = new Map((await feed.raw(`${feed.prefix}.vn.1`)).map(({ key, value }) => [key!.toString(), value]));
    expect([...keys].flatMap(([key, value]) => (value === null ? [] : [key])).toSorted()).toEqual([
      'context',
      'mapping/ts1/10.0.0.1',
      'mapping/ts2/10.0.0.2',
      'member/nve1',
      'member/nve2',
    ]);
    await put(url, '/v1/nves/nve1/tenant-systems/ts3', tsBody(3));
    expect(failures).toEqual([]);
  },
  TEST_TIMEOUT_MS,
);
