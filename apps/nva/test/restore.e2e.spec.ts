import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NveClient, SILENCE_MS, SseTransport, systemTimers, type Timers } from '@nva/nve';
import { freePort } from '@nva/processes';
import supertest from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KafkaFeedUnderTest } from '../../../libs/kafka/test/kafka-feed.ts';
import { LocalNve } from '../../../test/e2e/nves.ts';
import { attachLine, populate, postLines, temporaryDirectory, until } from '../../service/test/support.ts';
import { NvaProcess } from './nva-process.ts';

/** A retry that waits longer would only make the test longer. */
const MAX_WAIT_MS = 200;
const impatient: Timers = { after: (ms, act) => systemTimers.after(ms === SILENCE_MS ? ms : Math.min(ms, MAX_WAIT_MS), act) };
/** Processes come and go, each with a start of a second or two, and NVEs find them again. */
const CONVERGED_WITHIN_MS = 240_000;
const TEST_TIMEOUT_MS = 600_000;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let port: string;
let processes: NvaProcess[];
let env: Readonly<Record<string, string>>;

beforeEach(async () => {
  directory = await temporaryDirectory();
  port = String(await freePort());
  processes = [];
  env = {};
});
afterEach(async () => {
  for (const process of processes) await process.end('SIGKILL');
  await directory.remove();
});

function launch(...args: string[]): NvaProcess {
  const process = new NvaProcess({ HOST: '127.0.0.1', PORT: port, DATA_DIR: directory.path, ...env }, args);
  processes.push(process);
  return process;
}

async function started(): Promise<{ process: NvaProcess; url: string }> {
  const process = launch();
  const url = await process.url();
  await until(async () => (await fetch(`${url}/readyz`)).status === 200, CONVERGED_WITHIN_MS);
  return { process, url };
}

const attach = async (url: string, from: number, count: number): Promise<void> =>
  void (await postLines(url, Array.from({ length: count }, (_, n) => attachLine(from + n, 1 + (n % 2))).join('')));
const backup = (): string => join(directory.path, '..', 'backup');

/** All of DATA_DIR, as docs/operations.md says: copied while the process is stopped. */
async function backUp(): Promise<void> {
  await cp(directory.path, backup(), { recursive: true });
}

async function putBack(): Promise<void> {
  await rm(directory.path, { recursive: true });
  await cp(backup(), directory.path, { recursive: true });
}

const logOf = async (url: string): Promise<string> => ((await (await fetch(`${url}/readyz`)).json()) as { log: string }).log;
const said = ({ lines }: NvaProcess): string => lines.map(({ msg, err }) => `${String(msg)} ${JSON.stringify(err ?? '')}`).join('\n');

/** Accepts the loss as an operator does. */
async function accept(reason: string): Promise<NvaProcess> {
  const process = launch('accept-loss', '--reason', reason);
  expect([await process.exited, process.errors]).toEqual([{ code: 0, signal: null }, '']);
  return process;
}

/** The NVE holds what the NVA's fold says under its log of now: position and digest are reported, and the same. */
async function expectConverged(url: string, client: NveClient): Promise<void> {
  const http = supertest(url);
  const log = await logOf(url);
  let last = '';
  const same = async (): Promise<boolean> => {
    const applied = client.applied();
    await http.post(`/v1/nves/${client.nveId}/heartbeat`).send({ incarnation: 1, applied }).expect(200);
    const { memberships } = (await http.get(`/v1/nves/${client.nveId}`).expect(200)).body as {
      memberships: { vnid: number; applied: { log: string; verdict: string } | null }[];
    };
    last = JSON.stringify({ applied, memberships });
    return (
      memberships.length > 0 &&
      applied.length === memberships.length &&
      memberships.every((membership) => membership.applied?.verdict === 'same' && membership.applied.log === log)
    );
  };
  await until(same, CONVERGED_WITHIN_MS).catch((error: unknown) => {
    throw new Error(`${client.nveId} is not as the NVA says: ${last}`, { cause: error });
  });
}

/** The reason is recorded, with from where the log goes on. */
async function expectRenewed(url: string, previousLog: string, reason: string): Promise<void> {
  const { items } = (await supertest(url).get('/v1/events?entity=log').expect(200)).body;
  expect(items).toMatchObject([{ type: 'LogRenewed', data: { previousLog, log: await logOf(url), reason } }]);
}

describe('a backup that is put back', () => {
  it(
    'over Server-Sent Events: an NVE with a place of after it ends the process; once the loss is accepted it holds the table of now (X1, X6)',
    async () => {
      const transport = new SseTransport({ baseUrl: `http://127.0.0.1:${port}`, timers: impatient });
      const client = new NveClient({ nveId: 'nve1', transport });
      const withdrawn: string[] = [];
      client.on('change', ({ changes }) => withdrawn.push(...changes.filter(({ after }) => after === null).map(({ key }) => key)));
      client.on('left', ({ vnid }) => withdrawn.push(`VN ${vnid}`));
      try {
        const first = await started();
        const before = await logOf(first.url);
        await populate(supertest(first.url));
        await attach(first.url, 0, 20);
        client.start();
        await expectConverged(first.url, client);
        expect(await first.process.end()).toEqual({ code: 0, signal: null });
        await backUp();

        const second = await started();
        await attach(second.url, 20, 20);
        await expectConverged(second.url, client);
        await second.process.end();
        await putBack();

        const third = launch();
        await third.url();
        expect(await third.exited).toEqual({ code: 1, signal: null });
        expect(said(third)).toMatch(
          new RegExp(
            `the NVA cannot go on .*log ${before} has lost its end: it ends at position 26, but Last-Event-ID of operator:\\S+ is at position \\d+; everything after position 26, up to \\d+ at least, is missing\\. Put the newer log back, or accept the loss: npm start -- accept-loss`,
          ),
        );
        const fourth = launch();
        expect(await fourth.exited).toEqual({ code: 1, signal: null });
        expect(fourth.errors).toMatch(/^nva: log \S+ has lost its end: .*Last-Event-ID.*Put the newer log back, or accept the loss/);
        expect(fourth.lines).toEqual([]);
        expect(withdrawn).toEqual([]);
        expect(client.table(1)?.size).toBeGreaterThan(40);

        await accept('the disk died; back to the backup of noon');
        const fifth = await started();
        expect(await logOf(fifth.url)).not.toBe(before);
        await expectConverged(fifth.url, client);
        expect(withdrawn.toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => `mapping/ts${20 + n}/10.0.0.${20 + n}`).toSorted());
        await expectRenewed(fifth.url, before, 'the disk died; back to the backup of noon');
        // Positions of before are used again, and are heard.
        await attach(fifth.url, 100, 30);
        await expectConverged(fifth.url, client);
      } finally {
        await client.close();
        await transport.close();
      }
    },
    TEST_TIMEOUT_MS,
  );

  it.each([
    [
      'SIGTERM',
      'the start is refused by the checkpoints on the topics',
      async (refused: NvaProcess): Promise<string> => {
        expect(await refused.exited).toEqual({ code: 1, signal: null });
        expect(refused.lines.some(({ msg }) => msg === 'the NVA listens')).toBe(false);
        return refused.errors;
      },
      /^nva: log \S+ has lost its end: it ends at position 26, but the checkpoint of shards 0-63 on topic \S+\.distributor is at position 46; /m,
    ],
    [
      'SIGKILL',
      'the process is ended by the records on the topics',
      async (refused: NvaProcess): Promise<string> => {
        expect(await refused.exited).toEqual({ code: 1, signal: null });
        return said(refused);
      },
      /the NVA cannot go on .*log \S+ has lost its end: it ends at position 26, but «\S+» on topic \S+\.vn\.1 is at position 46; /,
    ],
  ] as const)(
    'over Kafka, after %s: %s; once the loss is accepted the topics and the NVE are as the fold says (X1, X6)',
    async (signal, _, refusalOf, expected) => {
      const feed = await KafkaFeedUnderTest.make();
      env = { KAFKA_BROKERS: feed.brokers.join(','), FEED_PREFIX: feed.prefix };
      const nve = new LocalNve(feed, 'nve1');
      try {
        const first = await started();
        const before = await logOf(first.url);
        await populate(supertest(first.url));
        await attach(first.url, 0, 20);
        await expectConverged(first.url, nve.client);
        await first.process.end();
        await backUp();

        const second = await started();
        await attach(second.url, 20, 20);
        await expectConverged(second.url, nve.client);
        await second.process.end(signal);
        await putBack();

        const reason = await refusalOf(launch());
        expect(reason).toMatch(expected);
        expect(reason).toMatch(/Put the newer log back, or accept the loss: npm start -- accept-loss --reason/);
        expect(JSON.parse(await readFile(join(directory.path, 'lost-end.json'), 'utf8'))).toMatchObject({
          loss: { log: before, head: 26 },
        });
        const again = launch();
        expect(await again.exited).toEqual({ code: 1, signal: null });
        expect(again.errors).toMatch(/^nva: log \S+ has lost its end: /m);
        expect(nve.withdrawn).toEqual([]);

        await accept('the disk died');
        const last = await started();
        const log = await logOf(last.url);
        expect(log).not.toBe(before);
        await expectConverged(last.url, nve.client);
        await attach(last.url, 100, 30);
        await expectConverged(last.url, nve.client);
        await expectRenewed(last.url, before, 'the disk died');
        const { items } = (await supertest(last.url).get('/v1/vns/1/mappings?limit=1000').expect(200)).body as {
          items: { tsId: string; ip: string; position: string }[];
        };
        const wanted = items.map(({ tsId, ip, position }) => `mapping/${tsId}/${ip} ${position} ${log}`);
        expect(wanted).toHaveLength(50);
        await until(async () => (await mappingsOn(feed)).length === wanted.length);
        expect((await mappingsOn(feed)).toSorted()).toEqual(wanted.toSorted());
      } finally {
        await nve.close();
        await feed.dispose();
      }
    },
    TEST_TIMEOUT_MS,
  );
});

/** Every live mapping on the topic of VN 1, with its position and the log that it is of. */
async function mappingsOn(feed: KafkaFeedUnderTest): Promise<string[]> {
  const live = new Map<string, string>();
  for await (const record of feed.writer().read({ kind: 'vn', vnid: 1 })) {
    if ('undecodable' in record) throw record.cause;
    const { key, value, position, log } = record;
    if (value === null) live.delete(key);
    else if (value.type === 'Mapping') live.set(key, `${key} ${position} ${log}`);
  }
  return [...live.values()];
}
