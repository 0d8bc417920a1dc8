import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { LogRefused, NO_STREAM, StoreUnavailable, systemClock, type Clock, type Logger, systemTimers } from '@nva/ports';
import { EventStoreDBClient } from '@eventstore/db-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { allOf, collect, ids, idsOf } from '../../../test/contract/event-store-reading.ts';
import { failure } from '../../../test/eventstore/faults.ts';
import type { StandIn } from '../../../test/eventstore/stand-in.ts';
import { Trio } from '../../../test/eventstore/trio.ts';
import type { EventStoreDbEventStore } from '../src/index.ts';
import { openStore, REAL_URL } from './support.ts';

if (REAL_URL !== undefined)
  process.stdout.write('election.int.spec.ts runs on the stand-in all the same: a real cluster cannot be told to elect nobody\n');

/** Longer than the client's own discovery goes on, which is ten times 100 ms and ten answers. */
const ELECTION_MS = 2_500;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What was said, and at which level. */
function listening(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const say = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) =>
    void (level !== 'debug' && lines.push(`${level}: ${message} ${JSON.stringify(fields)}`));
  return { lines, debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
}

let trio: Trio;
let nobodys: unknown[];
const take = (cause: unknown): void => void nobodys.push(cause);

beforeEach(async () => {
  trio = await Trio.start();
  nobodys = [];
  process.on('unhandledRejection', take);
});

afterEach(async () => {
  process.off('unhandledRejection', take);
  await trio.stop();
  expect(nobodys, 'rejections that nobody waited for').toEqual([]);
});

describe('while the nodes of the event store elect a leader', () => {
  let store: EventStoreDbEventStore;
  beforeEach(async () => (store = await openStore(trio.url)));
  afterEach(() => store.close());

  it('appends, reads and subscriptions wait for the next one, and no rejection is nobody\u2019s (X6)', async () => {
    await store.append([fresh('a')]);
    const stop = new AbortController();
    const received: string[] = [];
    const following = (async () => {
      for await (const message of store.subscribe({ signal: stop.signal }))
        if (message.kind === 'events') received.push(...ids(message.events));
    })();
    await vi.waitFor(() => expect(received).toHaveLength(1), 120_000);
    trio.elect(null);
    const [leader] = trio.nodes;
    // The leader goes: its subscription breaks first, so that another node is looked for when the call of the appends breaks.
    Object.assign(leader!.faults, { dropWith: 'cancelled', dropAfterEvents: 1, drops: 1 });
    await leader!.log.append('$stats', 'any', [
      { id: randomUUID(), type: '$stats', isJson: false, data: Buffer.alloc(0), metadata: Buffer.alloc(0) },
    ]);
    await pause(50);
    const call = [fresh('b'), fresh('c', NO_STREAM, 2)];
    const [appended, read] = [store.append(call), allOf(store)];
    await pause(300);
    await leader!.stopListening();
    await pause(ELECTION_MS);
    trio.elect(1);
    expect(await appended).toMatchObject([{ outcome: 'appended' }, { outcome: 'appended' }]);
    expect((await read).length).toBeGreaterThan(0);
    await vi.waitFor(() => expect(new Set(received)).toEqual(new Set([...received.slice(0, 1), ...idsOf(call)])), 120_000);
    expect(received).toHaveLength(4);
    stop.abort();
    await following;
  }, 300_000);

  it('say so: which node leads, that none does, and for how long', async () => {
    expect(store.leader.node).toBe(trio.nameOf(0));
    trio.elect(null);
    await vi.waitFor(() => expect(store.leader.node).toBeNull(), 120_000);
    const { forMs } = store.leader;
    await pause(200);
    expect(store.leader.forMs).toBeGreaterThan(forMs);
    trio.elect(2);
    await vi.waitFor(() => expect(store.leader.node).toBe(trio.nameOf(2)), 120_000);
  }, 300_000);

  it('an append that waits too long is told what is known, and its repeat what came of it', async () => {
    const hasty = await openStore(trio.url, { appendDeadlineMs: 500, readDeadlineMs: 500 });
    trio.elect(null);
    await vi.waitFor(() => expect(hasty.leader.node).toBeNull(), 120_000);
    const call = [fresh('a')];
    const error = await hasty.append(call).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect((error as Error).message).toMatch(/has had no leader for [\d.]+ s/);
    await expect(collect(hasty.readStream('a'))).rejects.toThrow(/no leader/);
    trio.elect(1);
    await vi.waitFor(() => expect(hasty.leader.node).not.toBeNull(), 120_000);
    expect(await hasty.append(call)).toMatchObject([{ outcome: 'appended', revision: 0 }]);
    await hasty.close();
  }, 300_000);

  it.each([
    ['is the leader no longer, and names the next', () => trio.elect(1)],
    ['is too busy', () => (trio.nodes[0]!.faults.tooBusy = 3)],
    ['is not ready', () => (trio.nodes[0]!.faults.unavailable = 3)],
    ['knows of no leader for a while', () => (trio.elect(null), setTimeout(() => trio.elect(1), 700))],
  ])(
    'a node that %s keeps nothing from being appended, and nothing is there twice',
    async (_, happens) => {
      await store.append([fresh('a')]);
      happens();
      const calls = Array.from({ length: 20 }, (_one, i) => fresh(`s-${i}`));
      for (const call of calls) expect(await store.append([call])).toMatchObject([{ outcome: 'appended' }]);
      expect(ids(await allOf(store)).slice(1)).toEqual(idsOf(calls));
    },
    300_000,
  );

  it('a node that is stopped, and answers nobody, holds up nothing: neither as one that is asked, nor as the leader that others still name', async () => {
    // A node may take longer to answer than this test.
    const patient = await openStore(`${trio.url}&gossipTimeout=120`);
    await patient.append([fresh('a')]);
    trio.nodes[0]!.faults.silent = true;
    await vi.waitFor(() => expect(patient.leader.node).toBeNull(), 120_000);
    await pause(500);
    trio.elect(1);
    expect(await patient.append([fresh('b')])).toMatchObject([{ outcome: 'appended' }]);
    expect(patient.leader.node).toBe(trio.nameOf(1));
    await patient.close();
  }, 300_000);

  it('a former leader that still takes itself for it is left for the one that the others know', async () => {
    await store.append([fresh('a')]);
    const before = trio.nodes[0]!.members;
    trio.elect(1);
    trio.nodes[0]!.members = before;
    trio.nodes[0]!.faults.notLeader = { host: '127.0.0.1', port: trio.nodes[1]!.port };
    expect(await store.append([fresh('b')])).toMatchObject([{ outcome: 'appended' }]);
    expect(store.leader.node).toBe(trio.nameOf(1));
  });
});

describe('a start during an election', () => {
  it('waits for the leader, says so once, and opens the log', async () => {
    trio.elect(null);
    const log = listening();
    const opening = openStore(trio.url, { log });
    await pause(ELECTION_MS);
    expect(log.lines).toEqual([
      expect.stringMatching(/^warn: the event store has no leader that answers: waiting for one .*knows no leader/),
    ]);
    trio.elect(1);
    const store = await opening;
    expect(log.lines.slice(1)).toEqual([expect.stringMatching(/^info: the event store has a leader /)]);
    expect(await store.append([fresh('a')])).toMatchObject([{ outcome: 'appended' }]);
    await store.close();
  }, 300_000);

  it('waits where gossip names a leader and the node sends it on: «5 NOT_FOUND: Leader info available»', async () => {
    // The first is sent on to a node that is gone: what followers know of the leader lags behind its end.
    for (const node of trio.nodes) node.faults.notLeader = { host: '127.0.0.1', port: 1 };
    const opening = openStore(trio.url);
    let opened = false;
    void opening.then(() => (opened = true));
    await pause(ELECTION_MS);
    expect(opened).toBe(false);
    for (const node of trio.nodes) node.faults.notLeader = null;
    await (await opening).close();
  }, 300_000);

  it('says that it waits once in 10 s, however often it asks', async () => {
    trio.elect(null);
    const log = listening();
    // Ten seconds pass in one.
    const clock: Clock = { ...systemTimers, wallMs: systemClock.wallMs, monotonicMs: () => 10 * systemClock.monotonicMs() };
    const stop = new AbortController();
    const opening = openStore(trio.url, { log, clock, signal: stop.signal }).catch((reason: unknown) => reason);
    const fromMs = performance.now();
    while (log.lines.length < 4) await pause(20);
    const tookMs = performance.now() - fromMs;
    expect(tookMs).toBeGreaterThan(2_900);
    stop.abort();
    expect(await opening).toBeInstanceOf(StoreUnavailable);
    expect(new Set(log.lines.map((line) => line.split(' {')[0])).size).toBe(1);
  }, 300_000);

  it('ends when it is told to, and leaves nothing behind', async () => {
    trio.elect(null);
    const stop = new AbortController();
    const opening = openStore(trio.url, { signal: stop.signal });
    opening.catch(() => undefined);
    await pause(300);
    stop.abort();
    await expect(opening).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(openStore(trio.url, { signal: stop.signal })).rejects.toBeInstanceOf(StoreUnavailable);
  });

  it.each([
    ['access that is denied', (node: StandIn) => (node.faults.credentials = 'nva:secret')],
    ['a caller that is not known', (node: StandIn) => (node.faults.denial = () => failure(status.UNAUTHENTICATED, 'Unauthenticated'))],
  ])('ends on what waiting does not mend: %s', async (_, happens) => {
    for (const node of trio.nodes) happens(node);
    const refused = openStore(trio.url);
    await expect(refused).rejects.toBeInstanceOf(LogRefused);
    await expect(refused).rejects.toThrow('access denied');
  });

  it('goes on looking while the file of its authority is away, as when it is replaced', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'nva-authority-'));
    const file = join(directory, 'ca.crt');
    writeFileSync(file, '');
    const log = listening();
    const stop = new AbortController();
    const clock: Clock = { ...systemTimers, wallMs: systemClock.wallMs, monotonicMs: () => 100 * systemClock.monotonicMs() };
    const opening = openStore(`${trio.url.replace('tls=false', 'tls=true')}&tlsCAFile=${file}`, { log, clock, signal: stop.signal });
    const ended = opening.catch((reason: unknown) => reason);
    rmSync(directory, { recursive: true });
    while (!log.lines.some((line) => line.includes('Failed to load certificate file'))) await pause(10);
    stop.abort();
    expect(await ended).toBeInstanceOf(StoreUnavailable);
  }, 300_000);
});

describe('a node answers what demands the leader as the real server does', () => {
  const answer = async (node: number): Promise<object> => {
    const client = EventStoreDBClient.connectionString(`esdb://${trio.nameOf(node)}?tls=false`);
    const read = client.readStream('a', { requiresLeader: true });
    const error = await new Promise<{ _raw?: { code: number; details: string; metadata: { getMap(): object } } }>((resolve) =>
      read.on('error', resolve as never),
    );
    await client.dispose();
    const { code, details, metadata } = error._raw!;
    return { code, details, ...metadata.getMap() };
  };

  it('names the leader: NOT_FOUND, with its endpoint in the trailers', async () => {
    expect(await answer(1)).toMatchObject({
      'code': 5,
      'details': 'Leader info available',
      'exception': 'not-leader',
      'leader-endpoint-host': '127.0.0.1',
      'leader-endpoint-port': String(trio.nodes[0]!.port),
    });
  });

  it('knows of none: UNKNOWN', async () => {
    trio.elect(null);
    expect(await answer(1)).toMatchObject({ code: 2, details: 'No leader info available in response' });
  });

  it('is in no state to take it: UNAVAILABLE, «not ready»', async () => {
    trio.elect(null);
    expect(await answer(0)).toMatchObject({ code: 14, details: 'Server Is Not Ready' });
  });

  it('is too busy: UNAVAILABLE, «too busy»', async () => {
    trio.nodes[0]!.faults.tooBusy = 1;
    expect(await answer(0)).toMatchObject({ code: 14, details: 'Server Is Too Busy' });
  });
});
