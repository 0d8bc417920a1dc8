import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import supertest from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FeedDigests } from '@nva/fold';
import { silentLogger, systemClock, type Clock, type Logger, systemTimers } from '@nva/ports';
import { ConfigError, createService, readConfig, ROLES, type Role, type Service } from '../src/index.ts';
import { attachLine, populate, postLines, temporaryDirectory, tsBody, until, type Environment } from './support.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let running: Service | null;
let said: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[];

beforeEach(async () => {
  directory = await temporaryDirectory();
  running = null;
});
afterEach(async () => {
  await running?.close();
  await directory.remove();
});

const recording = (): Logger => ({
  ...silentLogger,
  info: (message, fields = {}) => void said.push({ message, fields }),
  warn: (message, fields = {}) => void said.push({ message, fields }),
});

/** Stops what runs, and starts anew on the same directory. */
async function start(
  env: Environment = {},
  { roles = ROLES, clock = systemClock }: { roles?: readonly Role[]; clock?: Clock } = {},
): Promise<Service> {
  await running?.close();
  running = null;
  said = [];
  const config = readConfig({ PORT: '0', DATA_DIR: directory.path, SNAPSHOT_EVERY_EVENTS: '100', ...env });
  const server = (running = await createService(config, roles, {
    logger: recording(),
    clock,
    failed: (cause) => {
      throw cause;
    },
  }));
  await until(() => server.core.ready);
  return server;
}

const attach = async ({ url }: Service, from: number, count: number, nve = 1): Promise<void> => {
  await postLines(url, Array.from({ length: count }, (_, i) => attachLine(from + i, nve)).join(''));
};
const keyed = ({ url }: Service, key: string, n: number) =>
  supertest(url).put(`/v1/nves/nve1/tenant-systems/ts${n}`).set('idempotency-key', key).send(tsBody(n));
const snapshots = async (): Promise<string[]> =>
  (await readdir(join(directory.path, 'snapshots'))).filter((name) => name.endsWith('.snapshot')).toSorted();
const written = (): number => said.filter(({ message }) => message === 'a snapshot is written').length;
const wentOn = (): boolean => said.some(({ message }) => message === 'the fold goes on from a snapshot');
const why = (): unknown => said.find(({ message }) => message === 'a snapshot cannot be used')?.fields['why'];

/** Everything that the reads tell. */
async function seen({ url, core }: Service): Promise<unknown> {
  const http = supertest(url);
  const get = async (path: string): Promise<unknown> => (await http.get(path)).body as unknown;
  return {
    vn: await get('/v1/vns/1'),
    members: await get('/v1/vns/1/members?limit=1000'),
    mappings: await get('/v1/vns/1/mappings?limit=1000'),
    table: await get('/v1/nves/nve1/table?limit=1000'),
    digests: new Map(core.replica.digests.all().map(({ feed, position, digest }) => [feed, { position, digest }])),
  };
}

describe('a start from a snapshot', () => {
  it('shows the same tables, positions and digests, and folds only the tail', async () => {
    const first = await start();
    await populate(supertest(first.url));
    await attach(first, 0, 150);
    await until(() => written() === 1);
    await attach(first, 100, 20, 2);
    const before = await seen(first);
    const again = await start();
    expect(wentOn()).toBe(true);
    expect(again.core.replica.eventsFolded).toBeLessThan(100);
    expect(await seen(again)).toEqual(before);
    await attach(again, 300, 5);
    const whole = await seen(again);
    const replayed = await start({ SNAPSHOT_EVERY_EVENTS: '0' });
    expect(wentOn()).toBe(false);
    expect(await seen(replayed)).toEqual(whole);
  });

  it('knows the Idempotency-Keys of before with their answers, for 24 hours', async () => {
    const clock = { ...systemTimers, now: 0, wallMs: () => systemClock.wallMs() + clock.now, monotonicMs: () => systemClock.monotonicMs() };
    const first = await start({}, { clock });
    await populate(supertest(first.url));
    const { body } = await keyed(first, 'k1', 1).expect(200);
    await supertest(first.url).delete('/v1/nves/nve1/tenant-systems/ts1').expect(200);
    await attach(first, 2, 150);
    await until(() => written() === 1);
    const again = await start({}, { clock });
    expect(wentOn()).toBe(true);
    const { position } = await again.core.store.head();
    expect((await keyed(again, 'k1', 1).expect(200)).body).toEqual(body);
    expect((await keyed(again, 'k1', 2).expect(422)).body).toMatchObject({ code: 'idempotency-key-reused' });
    expect((await again.core.store.head()).position).toBe(position);
    clock.now = 25 * 3_600_000;
    const nextDay = await start({}, { clock });
    expect(wentOn()).toBe(true);
    expect((await keyed(nextDay, 'k1', 1).expect(200)).body).not.toEqual(body);
  });

  it('calls a report of a position before it unknown, and one since by what it is', async () => {
    const first = await start();
    await populate(supertest(first.url));
    await attach(first, 0, 20);
    const early = { position: (await first.core.store.head()).position, digest: first.core.replica.digests.current('vn/1').digest };
    await attach(first, 20, 120);
    await until(() => written() === 1);
    const again = await start();
    expect(again.core.replica.digests).toBeInstanceOf(FeedDigests);
    const report = async (position: number, digest: string): Promise<unknown> => {
      const applied = [{ vnid: 1, log: again.core.store.logId, position: String(position), digest }];
      await supertest(again.url).post('/v1/nves/nve1/heartbeat').send({ incarnation: 1, applied }).expect(200);
      return ((await supertest(again.url).get('/v1/nves/nve1')).body as { memberships: { applied: { verdict: string } }[] }).memberships[0]!
        .applied.verdict;
    };
    const { position, digest } = again.core.replica.digests.current('vn/1');
    expect(await report(early.position, early.digest)).toBe('unknown');
    expect(await report(position, digest)).toBe('same');
    expect(await report(position, early.digest)).toBe('differs');
  });

  it('takes one when it stops, if enough has changed, and none where they are switched off', async () => {
    await populate(supertest((await start({ SNAPSHOT_EVERY_EVENTS: '50' })).url));
    await start();
    expect(await snapshots()).toHaveLength(1);
    expect(wentOn()).toBe(true);
    await attach(await start({ SNAPSHOT_EVERY_EVENTS: '0' }), 0, 200);
    await start({ SNAPSHOT_EVERY_EVENTS: '0' });
    expect(await snapshots()).toHaveLength(1);
  });
});

describe('a snapshot is passed over, and the log replayed', () => {
  async function tables(): Promise<unknown> {
    const first = await start();
    await populate(supertest(first.url));
    await attach(first, 0, 150);
    await until(() => written() === 1);
    return seen(first);
  }

  it('when it is damaged', async () => {
    const before = await tables();
    await running!.close();
    running = null;
    for (const name of await snapshots()) {
      const path = join(directory.path, 'snapshots', name);
      const bytes = await readFile(path);
      bytes[bytes.length - 40]! ^= 1;
      await writeFile(path, bytes);
    }
    const again = await start();
    expect(why()).toBe('it is damaged: a checksum is wrong');
    expect(said.some(({ message }) => message === 'there is no snapshot to go on from; the whole log is replayed')).toBe(true);
    expect(await seen(again)).toEqual(before);
  });

  it('when it is of another log', async () => {
    await tables();
    await running!.close();
    running = null;
    await rm(join(directory.path, 'log'), { recursive: true });
    await rename(join(directory.path, 'snapshots'), join(directory.path, 'former'));
    await populate(supertest((await start()).url));
    await running!.close();
    running = null;
    await cp(join(directory.path, 'former'), join(directory.path, 'snapshots'), { recursive: true });
    await start();
    expect(why()).toMatch(/^it is of log .*, this is log /);
  });

  it('by a registrar, when a process without one took it', async () => {
    await tables();
    await running!.close();
    running = null;
    await rm(join(directory.path, 'snapshots'), { recursive: true });
    await start({}, { roles: ['admin'] });
    await until(() => written() === 1);
    await start({}, { roles: ['admin'] });
    expect(wentOn()).toBe(true);
    await running!.close();
    running = null;
    await cp(join(directory.path, 'snapshots', 'admin'), join(directory.path, 'snapshots'), { recursive: true });
    await start();
    expect(why()).toBe('it was taken by a process without a registrar, and so has no Idempotency-Keys');
  });
});

it('SNAPSHOT_EVERY_EVENTS is checked', () => {
  expect(readConfig({}).snapshotEveryEvents).toBe(500_000);
  expect(() => readConfig({ SNAPSHOT_EVERY_EVENTS: '-1' })).toThrow(ConfigError);
  expect(() => readConfig({ SNAPSHOT_EVERY_EVENTS: 'never' })).toThrow(
    'SNAPSHOT_EVERY_EVENTS: expected an integer from 0 to 999999999, got «never»',
  );
});
