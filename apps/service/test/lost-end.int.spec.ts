import { chmod, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHash, randomUUID } from 'node:crypto';
import { createEventCodec } from '@nva/codec';
import { renewLogId, SqliteEventStore } from '@nva/event-log';
import { LogRefused, silentLogger, systemClock, type EventStore, type RecordedEvent } from '@nva/ports';
import supertest from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acceptLoss, MAX_REASON_CHARACTERS, readAcceptLoss } from '../src/log/accept-loss.ts';
import { ConfigError, createService, readConfig, ROLES, type Service } from '../src/index.ts';
import { isWholeAgain, LossFile } from '../src/log/loss-file.ts';
import { SseReader } from './sse-reader.ts';
import { attachLine, nveBody, populate, postLines, temporaryDirectory, tsBody, until, vnBody, type Environment } from './support.ts';

const TOKENS = { alice: 'alice-token', nve1: 'nve1-token', nve2: 'nve2-token' };
const FAR = 4_000;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let services: Service[];
let failures: unknown[];

beforeEach(async () => {
  directory = await temporaryDirectory();
  services = [];
  failures = [];
});
afterEach(async () => {
  await stop();
  await directory.remove();
});

const at = (...names: string[]): string => join(directory.path, ...names);
const config = (env: Environment = {}) => readConfig({ PORT: '0', DATA_DIR: directory.path, SNAPSHOT_EVERY_EVENTS: '0', ...env });
const lossFile = (): LossFile => new LossFile(directory.path);

async function start(env: Environment = {}, store?: EventStore): Promise<Service> {
  const service = await createService(config(env), ROLES, {
    logger: silentLogger,
    failed: (cause) => failures.push(cause),
    ...(store && { store }),
  });
  services.push(service);
  await until(() => service.core.ready || failures.length > 0);
  return service;
}

async function stop(): Promise<void> {
  for (const service of services.splice(0)) await service.close();
}

const refusal = (env: Environment = {}): Promise<Error | null> =>
  start(env).then(
    () => null,
    (error: Error) => error,
  );
const ended = async (): Promise<Error> => {
  await until(() => failures.length > 0);
  return failures[0] as Error;
};
const backUp = (): Promise<void> => cp(at('log'), at('backup'), { recursive: true });
async function putBack(): Promise<void> {
  await rm(at('log'), { recursive: true });
  await cp(at('backup'), at('log'), { recursive: true });
}
const openLog = (): Promise<SqliteEventStore> =>
  SqliteEventStore.open({ directory: at('log'), codec: createEventCodec(), clock: systemClock });
const renewals = async (store: EventStore): Promise<RecordedEvent[]> => Array.fromAsync(store.readStream('log'));
const accept = (reason = 'the disk died'): Promise<void> => acceptLoss(config(), reason, systemClock, silentLogger);

/** A log whose end, which a snapshot has, is gone: restored from a backup at position 6. */
async function losing(): Promise<string> {
  const before = await start({ SNAPSHOT_EVERY_EVENTS: '100' });
  const { logId } = before.core.store;
  await populate(supertest(before.url));
  await stop();
  await backUp();
  // One is taken at the stop, being worth it then, and none before.
  const later = await start({ SNAPSHOT_EVERY_EVENTS: '1000' });
  await postLines(later.url, Array.from({ length: 150 }, (_, n) => attachLine(n, 1)).join(''));
  await stop();
  await cp(at('log'), at('newer'), { recursive: true });
  expect((await readdir(at('snapshots'))).at(-1)).toBe('0000000000000156.snapshot');
  await putBack();
  return logId;
}

async function tokens(): Promise<Environment> {
  const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
  await mkdir(directory.path, { recursive: true });
  await writeFile(
    at('tokens.json'),
    JSON.stringify({
      operators: [{ name: 'alice', sha256: sha256(TOKENS.alice) }],
      nves: [1, 2].map((n) => ({ nveId: `nve${n}`, tenants: ['red'], sha256: sha256(n === 1 ? TOKENS.nve1 : TOKENS.nve2) })),
    }),
  );
  await chmod(at('tokens.json'), 0o600);
  return { TOKENS_FILE: at('tokens.json') };
}

type Name = keyof typeof TOKENS;
const ask = ({ url }: Service, path: string, as: Name | null, lastEventId: string) => {
  const call = supertest(url).get(path).set('last-event-id', lastEventId);
  return as === null ? call : call.set('authorization', `Bearer ${TOKENS[as]}`);
};
const beat = ({ url, core }: Service, as: Name, position: number, log = core.store.logId) =>
  supertest(url)
    .post(`/v1/nves/${as}/heartbeat`)
    .set('authorization', `Bearer ${TOKENS[as]}`)
    .send({ incarnation: 1, applied: [{ vnid: 1, log, position: String(position), digest: '0123456789abcdef' }] })
    .expect(200);
const verdict = async ({ url }: Service, nveId: string): Promise<unknown> => {
  const { body } = await supertest(url).get(`/v1/nves/${nveId}`).set('authorization', `Bearer ${TOKENS.alice}`).expect(200);
  return (body as { memberships: { applied: { verdict: string } | null }[] }).memberships[0]!.applied?.verdict;
};
const counted = async ({ url }: Service): Promise<number> =>
  Number(
    /^nva_ahead_of_log_total (\d+)$/m.exec(
      (await supertest(url).get('/metrics').set('authorization', `Bearer ${TOKENS.alice}`).expect(200)).text,
    )?.[1],
  );

describe('a start on a log that was put back', () => {
  it('is refused when a snapshot is of what the log lost, and so is every later one, with what is missing and what to do (X1)', async () => {
    const log = await losing();
    const refused = await refusal();
    expect(refused).toBeInstanceOf(LogRefused);
    expect(refused!.message).toBe(
      `log ${log} has lost its end: it ends at position 6, but snapshot ${at('snapshots', '0000000000000156.snapshot')} is at position 156; everything after position 6, up to 156 at least, is missing. ` +
        `Put the newer log back, or accept the loss: npm start -- accept-loss --reason "<why>". ${lossFile().path} keeps this. Remove it by hand only if callers made their places up, or once the whole log is back on an event store`,
    );
    expect((await stat(lossFile().path)).mode & 0o777).toBe(0o600);
    await rm(at('snapshots'), { recursive: true });
    expect((await refusal())!.message).toBe(refused!.message);
    const store = await openLog();
    expect(await store.head()).toMatchObject({ position: 6 });
    await store.close();
  });

  it('is refused when the folder of the log is gone and snapshots are still there: nobody is told that there is nothing (X6)', async () => {
    const log = await losing();
    await rm(at('log'), { recursive: true });
    const refused = await refusal();
    expect(refused).toBeInstanceOf(LogRefused);
    expect(refused!.message).toContain(
      `${at('log')} holds no event, but ${at('snapshots', '0000000000000156.snapshot')} is of log ${log}, at position 156`,
    );
    expect((await refusal())!.message).toBe(refused!.message);
    await rm(at('snapshots'), { recursive: true });
    expect((await start()).core.store.logId).not.toBe(log);
  });

  it('is refused too when the log has grown on since, to other events at the same positions', async () => {
    await losing();
    await cp(at('snapshots'), at('kept'), { recursive: true });
    await rm(at('snapshots'), { recursive: true });
    await postLines((await start()).url, Array.from({ length: 200 }, (_, n) => attachLine(1_000 + n, 2)).join(''));
    await stop();
    await cp(at('kept'), at('snapshots'), { recursive: true });
    expect((await refusal())!.message).toMatch(
      /it ends at position 206, but snapshot \S+ is at position 156; the log has another event there: it was put back, and has grown since\. Put the newer/,
    );
  });

  it('goes on by itself once the newer log is back', async () => {
    await losing();
    expect(await refusal()).not.toBeNull();
    await rm(at('log'), { recursive: true });
    await cp(at('newer'), at('log'), { recursive: true });
    const { core } = await start();
    expect(core.replica.network.position).toBe(156);
    expect(lossFile().read()).toBeNull();
  });

  it('goes on when the log is another one altogether', async () => {
    await losing();
    expect(await refusal()).not.toBeNull();
    await rm(at('log'), { recursive: true });
    await rm(at('snapshots'), { recursive: true });
    expect((await start()).core.replica.network.position).toBe(0);
    expect(lossFile().read()).toBeNull();
  });

  it('is refused while nobody can read what is kept about a loss', async () => {
    await start();
    await stop();
    await writeFile(lossFile().path, 'what?');
    expect((await refusal())!.message).toMatch(
      /lost-end\.json says that the log has lost its end, but cannot be read: .*Put the newer log back.*accept the loss: npm start -- accept-loss/,
    );
    await accept();
    expect((await start()).core.ready).toBe(true);
  });
});

describe('a place beyond the head of the log', () => {
  const place = ({ core }: Service, position: number): string => `${core.store.logId}/${position}`;

  async function serving(nves: readonly number[] = [1, 2]): Promise<Service> {
    const service = await start(await tokens());
    const put = (path: string, body: object) =>
      supertest(service.url).put(path).set('authorization', `Bearer ${TOKENS.alice}`).send(body).expect(200);
    await put('/v1/vns/1', vnBody());
    for (const n of nves) await put(`/v1/nves/nve${n}`, nveBody(n));
    for (const n of nves) await put(`/v1/nves/nve${n}/tenant-systems/ts${n}`, tsBody(n));
    return service;
  }

  it('is never resumed after: an operator’s ends the process with an explanation, and the next start is refused with the same (X1)', async () => {
    const service = await serving();
    const { body } = await ask(service, '/v1/vns/1/feed', 'alice', place(service, FAR)).expect(409);
    expect(body).toMatchObject({ code: 'ahead-of-log', field: 'Last-Event-ID', received: place(service, FAR), expected: '5', row: 'X1' });
    const cause = await ended();
    expect(cause.message).toMatch(
      /^log \S+ has lost its end: it ends at position 5, but Last-Event-ID of operator:alice is at position 4000; .*Put the newer log back, or accept the loss/,
    );
    await stop();
    failures = [];
    expect((await refusal(await tokens()))!.message).toBe(cause.message);
  });

  it('does so for the local caller where there are no tokens, for a VN that the log does not know any more', async () => {
    const service = await start();
    await ask(service, '/v1/vns/77/feed', null, place(service, 1)).expect(409);
    expect((await ended()).message).toMatch(/it ends at position 0, but Last-Event-ID of operator:\S+ is at position 1/);
  });

  it.each([
    [
      'its stream',
      async (service: Service, as: Name): Promise<unknown> =>
        expect((await ask(service, '/v1/vns/1/feed', as, place(service, FAR)).expect(409)).body).toMatchObject({ code: 'ahead-of-log' }),
    ],
    ['its heartbeat', async (service: Service, as: Name): Promise<unknown> => beat(service, as, FAR)],
  ])('of one NVE of several is refused and counted, and cannot stop the service; of a second one it does: by %s', async (_, say) => {
    const service = await serving();
    for (let i = 0; i < 3; i++) await say(service, 'nve1');
    expect(await counted(service)).toBe(3);
    expect(service.core.ready).toBe(true);
    expect(failures).toEqual([]);
    await say(service, 'nve2');
    expect((await ended()).message).toMatch(
      /nve:nve1\S* is at position 4000; .*nve:nve2\S* is at position 4000; everything after position 5/,
    );
    expect(lossFile().read()!.loss!.marks).toHaveLength(2);
  });

  it('of the only NVE that is known ends the process', async () => {
    const service = await serving([1]);
    await beat(service, 'nve1', FAR);
    expect((await ended()).message).toMatch(/what NVE nve1 has applied of VN 1, by a heartbeat from nve:nve1, is at position 4000/);
  });

  it('in a heartbeat has a verdict of its own; one of another log is unknown, as ever', async () => {
    const service = await serving();
    await beat(service, 'nve1', FAR);
    expect(await verdict(service, 'nve1')).toBe('ahead');
    await beat(service, 'nve1', FAR, randomUUID());
    expect(await verdict(service, 'nve1')).toBe('unknown');
    expect(await counted(service)).toBe(1);
  });

  it('of one NVE has the process look at what it keeps itself, and ends it if that is ahead too', async () => {
    const service = await serving();
    const header = { logId: service.core.store.logId, position: FAR };
    await losingElsewhere(header);
    await beat(service, 'nve1', FAR);
    expect((await ended()).message).toMatch(/but snapshot \S+ is at position 156/);
  });

  /** Puts a snapshot beside the log that is of its future: taken by a copy of it that went on. */
  async function losingElsewhere({ logId }: { logId: string }): Promise<void> {
    const copy = await temporaryDirectory();
    await mkdir(copy.path, { recursive: true });
    await SqliteEventStore.open({ directory: join(copy.path, 'log'), codec: createEventCodec(), clock: systemClock }).then((store) =>
      store.close(),
    );
    renewLogId(join(copy.path, 'log'), logId);
    const other = await createService(readConfig({ PORT: '0', DATA_DIR: copy.path, SNAPSHOT_EVERY_EVENTS: '100' }), ROLES, {
      logger: silentLogger,
      failed: (cause) => failures.push(cause),
    });
    await populate(supertest(other.url));
    await postLines(other.url, Array.from({ length: 150 }, (_, n) => attachLine(n, 1)).join(''));
    await other.close();
    await cp(join(copy.path, 'snapshots'), at('snapshots'), { recursive: true });
    await copy.remove();
  }
});

describe('a caller that is ahead of this process, and not of the log', () => {
  it('is merely early: it is served when the fold has come so far, and nothing is lost', async () => {
    const store = await openLog();
    const slow = new HeldStore(store);
    const service = await start({}, slow);
    const other = await createService(config({ DATA_DIR: at('other') }), ROLES, {
      logger: silentLogger,
      failed: (cause) => failures.push(cause),
      store,
    });
    slow.hold();
    await populate(supertest(other.url));
    const { position } = await store.head();
    const open = SseReader.open(`${service.url}/v1/vns/1/feed`, { 'last-event-id': `${store.logId}/${position}` });
    await supertest(other.url).get('/readyz').expect(200);
    slow.release();
    const [hello] = await (await open).snapshot();
    expect(hello!.data).toMatchObject({ log: store.logId });
    expect(failures).toEqual([]);
    expect(service.core.losses.ahead).toBe(0);
    await other.close();
    await stop();
    await store.close();
  });

  /** A store whose subscriptions can be held up. */
  class HeldStore implements EventStore {
    readonly #store: EventStore;
    #held: PromiseWithResolvers<void> | null = null;

    constructor(store: EventStore) {
      this.#store = store;
    }

    hold(): void {
      this.#held = Promise.withResolvers();
    }

    release(): void {
      this.#held?.resolve();
      this.#held = null;
    }

    get logId(): string {
      return this.#store.logId;
    }

    get keepsOrder(): boolean {
      return this.#store.keepsOrder;
    }

    async *subscribe(
      options: Parameters<EventStore['subscribe']>[0],
    ): ReturnType<EventStore['subscribe']> extends AsyncIterable<infer T> ? AsyncGenerator<T> : never {
      for await (const message of this.#store.subscribe(options)) {
        await this.#held?.promise;
        yield message;
      }
    }

    append: EventStore['append'] = (appends) => this.#store.append(appends);
    readStream: EventStore['readStream'] = (stream, options) => this.#store.readStream(stream, options);
    readAll: EventStore['readAll'] = (options) => this.#store.readAll(options);
    readAllBackwards: EventStore['readAllBackwards'] = (options) => this.#store.readAllBackwards(options);
    readAt: EventStore['readAt'] = (position) => this.#store.readAt(position);
    checkpointAt: EventStore['checkpointAt'] = (position) => this.#store.checkpointAt(position);
    head: EventStore['head'] = () => this.#store.head();
    close: EventStore['close'] = () => this.#store.close();
  }
});

describe('accepting a loss', () => {
  it('renews the log’s UUID and records who, from where and why; then everything goes on', async () => {
    const previousLog = await losing();
    await refusal();
    await accept('the disk of rack 4 died');
    const { core, url } = await start();
    expect(core.store.logId).not.toBe(previousLog);
    expect(lossFile().read()).toBeNull();
    const { items } = (await supertest(url).get('/v1/events?entity=log').expect(200)).body;
    expect(items).toEqual([
      expect.objectContaining({
        position: '7',
        stream: 'log',
        type: 'LogRenewed',
        actor: expect.stringMatching(/^operator:./),
        data: { log: core.store.logId, previousLog, head: '6', lostTo: '156', reason: 'the disk of rack 4 died' },
      }),
    ]);
    const hello = await (await SseReader.open(`${url}/v1/vns/1/feed`, { 'last-event-id': `${previousLog}/${FAR}` })).snapshot();
    expect(hello[0]!.data).toEqual({ log: core.store.logId, mode: 'snapshot' });
    expect(failures).toEqual([]);
  });

  it('is possible before anything has told of the loss, and again after the next one', async () => {
    await start();
    await stop();
    await accept('first');
    await accept('second');
    const { core } = await start();
    const [first, second] = (await renewals(core.store)).map(({ event }) => event.data as unknown as Record<string, unknown>);
    expect(second).toMatchObject({ previousLog: first!['log'], log: core.store.logId, lostTo: null, head: 1, reason: 'second' });
  });

  it('is refused while the log is open, and leaves nothing behind', async () => {
    const { core } = await start();
    await expect(accept()).rejects.toThrow(/is open in another store/);
    expect(lossFile().read()).toBeNull();
    expect(await renewals(core.store)).toEqual([]);
  });

  it('also makes a log go on that is refused because acknowledged events are missing, and says how many there were', async () => {
    const { core, url } = await start();
    const previousLog = core.store.logId;
    await populate(supertest(url));
    await stop();
    await cp(at('log'), at('backup'), { recursive: true });
    await postLines((await start()).url, Array.from({ length: 20 }, (_, n) => attachLine(n, 1)).join(''));
    await stop();
    // The database of before, the marker of now: its events beyond position 6 were acknowledged.
    for (const name of (await readdir(at('backup'))).filter((file) => file.startsWith('log.sqlite')))
      await cp(at('backup', name), at('log', name));
    expect((await refusal())!.message).toMatch(/those up to 26 were acknowledged/);
    await accept();
    const again = await start();
    expect((await renewals(again.core.store)).map(({ event }) => event.data)).toEqual([
      expect.objectContaining({ previousLog, head: 6, lostTo: 26 }),
    ]);
  });

  it.each(['an empty file', 'a file of zeros'])('is refused, and leaves nothing behind, where the log is %s', async (what) => {
    await start();
    await stop();
    const file = await readFile(at('log', 'log.sqlite'));
    await writeFile(at('log', 'log.sqlite'), Buffer.alloc(what === 'an empty file' ? 0 : file.length));
    await expect(accept()).rejects.toBeInstanceOf(LogRefused);
    expect(lossFile().read()).toBeNull();
  });

  describe('that was interrupted', () => {
    it('before the event: the start is refused, and the next run accepts', async () => {
      await start();
      await stop();
      lossFile().write({ loss: null, accepting: { acknowledged: 90 } });
      expect((await refusal())!.message).toMatch(/was being accepted, but that was not finished: run it again: npm start -- accept-loss/);
      await accept();
      const { core } = await start();
      expect((await renewals(core.store)).map(({ event }) => event.data)).toEqual([expect.objectContaining({ lostTo: 90 })]);
    });

    it('between the event and the UUID: the start is refused, and the next run finishes what the event says', async () => {
      const { core } = await start();
      const previousLog = core.store.logId;
      await stop();
      const log = randomUUID();
      const store = await openLog();
      const audit = { recordedAt: 0, actor: 'operator:spec', correlationId: 'spec', idempotencyKey: null, requestDigest: null };
      await store.append([
        {
          stream: 'log',
          expectedRevision: -1,
          events: [
            {
              id: randomUUID(),
              event: { type: 'LogRenewed', data: { audit, log, previousLog, head: 0, lostTo: null, reason: 'first run' } },
            },
          ],
        },
      ]);
      await store.close();
      expect((await refusal())!.message).toMatch(/was accepted, but that was not finished: run it again/);
      await accept('second run');
      const again = await start();
      expect(again.core.store.logId).toBe(log);
      expect((await renewals(again.core.store)).map(({ event }) => (event.data as unknown as { reason: string }).reason)).toEqual([
        'first run',
      ]);
    });

    it('between the UUID and the end, of a log that was short: the start is refused, and the next run renews nothing', async () => {
      await start();
      await stop();
      lossFile().write({ loss: null, accepting: { acknowledged: 90 } });
      await accept('first run');
      const { core } = await start();
      const { logId } = core.store;
      await stop();
      lossFile().write({ loss: null, accepting: { acknowledged: 90, log: logId } });
      expect((await refusal())!.message).toMatch(/not finished: run it again/);
      await accept('second run');
      expect(lossFile().read()).toBeNull();
      const again = await start();
      expect(again.core.store.logId).toBe(logId);
      expect((await renewals(again.core.store)).map(({ event }) => (event.data as unknown as { reason: string }).reason)).toEqual([
        'first run',
      ]);
    });

    it('between the UUID and the end: the start is right', async () => {
      const previousLog = await losing();
      await refusal();
      const kept = lossFile().read()!;
      await accept();
      lossFile().write(kept);
      const { core } = await start();
      expect(core.store.logId).not.toBe(previousLog);
      expect(lossFile().read()).toBeNull();
    });
  });

  it('by another process ends one that runs on the same log: it has to start anew', async () => {
    const store = await openLog();
    await start({}, store);
    const audit = { recordedAt: 0, actor: 'operator:spec', correlationId: 'spec', idempotencyKey: null, requestDigest: null };
    const log = randomUUID();
    await store.append([
      {
        stream: 'log',
        expectedRevision: -1,
        events: [
          {
            id: randomUUID(),
            event: { type: 'LogRenewed', data: { audit, log, previousLog: store.logId, head: 0, lostTo: null, reason: 'spec' } },
          },
        ],
      },
    ]);
    expect((await ended()).message).toBe(
      `the loss of the end of log ${store.logId} was accepted, and it is log ${log} from here on: start again`,
    );
    await stop();
    await store.close();
  });
});

describe('a log that was written to before it was found that its end is missing', () => {
  it('is not whole as long as it holds what was written in place of that, however far it reaches; once the newer one is put back, it is', async () => {
    const store = await openLog();
    const audit = { recordedAt: 0, actor: 'operator:spec', correlationId: 'spec', idempotencyKey: null, requestDigest: null };
    const created = (vnid: number) => ({
      id: randomUUID(),
      event: {
        type: 'VnCreated',
        data: { audit, vnid, tenantId: 't', name: 'n', service: 'l3', encapsulation: 'vxlan', policies: { access: {}, tunnel: {} } },
      } as const,
    });
    const written = [1, 2, 3].map((vnid) => ({ stream: `vn-${vnid}`, expectedRevision: -1, events: [created(vnid)] }));
    await store.append(written);
    const loss = { log: store.logId, head: 1, marks: [{ where: 'a topic', position: 3 }] };
    lossFile().add({ ...loss, grown: { position: 2, eventId: written[1]!.events[0]!.id } });
    expect(await isWholeAgain(lossFile().read()!.loss!, store)).toBe(false);
    expect(await isWholeAgain({ ...loss, grown: { position: 2, eventId: randomUUID() } }, store)).toBe(true);
    await store.close();
  });
});

describe('the arguments of a process', () => {
  it.each([
    [[], null],
    [['accept-loss', '--reason', 'the disk died'], 'the disk died'],
  ])('%j are read', (args, expected) => {
    expect(readAcceptLoss(args)).toBe(expected);
  });

  it.each([
    [['accept-loss']],
    [['accept-loss', '--reason']],
    [['accept-loss', '--reason', ' ']],
    [['accept-loss', '--reason', 'a', 'b']],
    [['accept']],
    [['accept-loss', '--reason', 'x'.repeat(MAX_REASON_CHARACTERS + 1)]],
  ])('%j are refused', (args) => {
    expect(() => readAcceptLoss(args)).toThrow(ConfigError);
  });
});
