import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArchiveDamaged, createEventCodec, type Archive, type ArchivedEvent } from '@nva/codec';
import { command } from '@nva/domain/testing';
import { FeedDigests, Network } from '@nva/fold';
import { Refusal } from '@nva/identifiers';
import { systemClock, type Clock, type RecordedEvent } from '@nva/ports';
import { dump } from '../../fold/test/dump.ts';
import { play, prelude, racyLog } from '../../fold/test/races.ts';
import {
  lastNotAfter,
  MAX_PAUSE_MS,
  PlayedLog,
  Player,
  readCondition,
  Verification,
  type Claim,
  type Played,
  type PlayOptions,
} from '../src/index.ts';

const codec = createEventCodec();
const archiveOf = (log: readonly RecordedEvent[], size = 7): Archive => ({
  header: { log: '0b5a1f3e-7c51-4a2b-9f0e-3d2c1b0a9f8e', to: log.at(-1)?.position ?? 0, schemas: [] },
  events: (async function* () {
    for (let at = 0; at < log.length; at += size)
      yield log.slice(at, at + size).map(({ position, stream, revision, id, event }): ArchivedEvent => ({
        position,
        stream,
        revision,
        id,
        bytes: codec.encode(event),
      }));
  })(),
});

async function played(log: readonly RecordedEvent[], options: Partial<PlayOptions> = {}): Promise<{ player: Player; events: Played[] }> {
  const player = new Player(archiveOf(log), { clock: systemClock, ...options });
  const events: Played[] = [];
  for await (const batch of player.play()) events.push(...batch);
  return { player, events };
}

const attach = (n: number, nveId: string, ip = `192.0.2.${n}`) =>
  command('attach', {
    tsId: `ts${n}`,
    tenantId: 'red',
    vmId: 'vm',
    nveId,
    mac: `02:00:00:00:00:0${n}`,
    bindings: [{ bid: 1, vnid: 1, ip }],
  });
const LOG = play([
  ...prelude,
  ...[
    attach(1, 'nve1'),
    attach(2, 'nve2'),
    attach(1, 'nve2'),
    command('changeMac', { tsId: 'ts2', mac: '02:00:00:00:00:09' }),
    command('detach', { tsId: 'ts1', nveId: 'nve2' }),
    command('disconnectNve', { nveId: 'nve1' }),
  ].map((one) => ({ command: one, lag: 0, blind: false, gap: 1 })),
]);

describe('a replay', () => {
  it('ends a pause where it is stopped', async () => {
    const stop = new AbortController();
    const clock: Clock = {
      ...systemClock,
      after: (ms, done, options) => {
        setImmediate(() => stop.abort());
        return systemClock.after(ms, done, options);
      },
    };
    const { player, events } = await played(LOG, { speed: 0.000_001, clock, signal: stop.signal });
    expect([player.ending, events.length]).toEqual(['stopped', 1]);
  });

  it('of events that no registrar has recorded in that order says where they part, and goes no further', async () => {
    const without = LOG.filter(({ event }) => event.type !== 'TenantSystemAttached');
    const first = without.find(({ stream }) => stream.startsWith('ts-'))!;
    await expect(played(without)).rejects.toThrow(ArchiveDamaged);
    await expect(played(without)).rejects.toThrow(`the event at position ${first.position}, ${first.event.type}, does not follow`);
  });

  it('folds what a network folds, and gives each event with what it changes', async () => {
    await fc.assert(
      fc.asyncProperty(racyLog(40), async (log) => {
        const { player, events } = await played(log);
        const network = new Network();
        for (const [i, recorded] of log.entries()) expect(events[i]!.changes).toEqual(network.apply(recorded));
        expect(dump(player.network)).toEqual(dump(network));
        expect([events.length, player.ending]).toEqual([log.length, 'end of the archive']);
      }),
      { numRuns: 30 },
    );
  });

  it.each([1, 4, 6, LOG.length])('ends at position %d', async (to) => {
    const { player, events } = await played(LOG, { to });
    expect([events.at(-1)!.position, player.ending]).toEqual([to, 'position']);
  });

  it.each([
    ['vnid=1 ip=192.0.2.1 changes', 5],
    ['vnid=1 ip=192.0.2.1 disappears', 9],
    ['vnid=1 ip=192.0.2.2', 6],
    ['tsId=ts2 appears', 6],
    ['mac=02:00:00:00:00:09', 8],
    ['mac=02:00:00:00:00:02 changes', 6],
    ['type=MacChanged', 8],
    ['type=TenantSystemMoved tsId=ts1', 7],
    ['tsId=ts2', 6],
    ['nveId=nve1 disappears', 7],
    ['nveId=nve2', 4],
    ['type=NveDisconnected actor=operator:spec', 10],
  ])('ends where «%s», at position %d', async (text, position) => {
    const { player, events } = await played(LOG, { until: readCondition(text) });
    expect([events.at(-1)!.position, player.ending]).toEqual([position, 'condition']);
  });

  it('ends nowhere before its end where a condition is never met', async () => {
    expect((await played(LOG, { until: readCondition('vnid=2 ip=192.0.2.1') })).player.ending).toBe('end of the archive');
  });

  it.each(['', 'x=1', 'vnid=', 'vnid=0', 'ip=300.0.0.1', 'changes appears', 'vnid=1 vnid=2', 'explodes'])(
    'is not told to wait for «%s»',
    (text) => {
      expect(() => readCondition(text)).toThrow(Refusal);
    },
  );

  it('goes step by step, and stops when it is told to', async () => {
    const asked: number[] = [];
    const { player, events } = await played(LOG, {
      step: async ({ position }) => asked.push(position) < 4,
    });
    expect([asked, events.map(({ position }) => position), player.ending, player.network.position]).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3],
      'stopped',
      3,
    ]);
  });

  it('keeps the pace of the recording, and waits for no weekend', async () => {
    const waited: number[] = [];
    const clock: Clock = {
      ...systemClock,
      after: (ms, due) => {
        waited.push(ms);
        queueMicrotask(due);
        return () => undefined;
      },
    };
    const log = LOG.slice(0, 4).map((recorded, i) => ({
      ...recorded,
      event: {
        ...recorded.event,
        data: { ...recorded.event.data, audit: { ...recorded.event.data.audit, recordedAt: [0, 5_000, 4_000, 10_000_000][i]! } },
      } as RecordedEvent['event'],
    }));
    await played(log, { speed: 10, clock });
    expect(waited).toEqual([500, MAX_PAUSE_MS]);
  });

  it('of a time knows the last event recorded not after it', async () => {
    const at = (i: number): number => LOG[i]!.event.data.audit.recordedAt;
    expect(await lastNotAfter(archiveOf(LOG), at(3))).toBe(4);
    expect(await lastNotAfter(archiveOf(LOG), at(3) + 1)).toBe(4);
    expect(await lastNotAfter(archiveOf(LOG), at(0) - 1)).toBeNull();
  });
});

describe('what others say of tables', () => {
  it('is held against the log: a right digest at any position, a wrong one, one of another position, a VN that was not', async () => {
    const network = new Network();
    const digests = new FeedDigests();
    const claims: Claim[] = [];
    for (const recorded of LOG) {
      digests.apply(recorded.position, network.apply(recorded));
      for (const vnid of [1, 2])
        if (network.vns.has(vnid))
          claims.push({ by: 'a snapshot', position: recorded.position, vnid, digest: digests.current(`vn/${vnid}`).digest });
    }
    const right = new Verification(claims);
    const { player } = await played(LOG, { verification: right });
    right.end(player.network, player.digests);
    expect([right.compared, right.differences, right.left]).toEqual([claims.length + 2, [], 0]);
    const other = claims.find(({ position, vnid }) => position === 5 && vnid === 1)!;
    const wrong = new Verification([
      { ...other, digest: '0'.repeat(16) },
      { ...other, position: 6, by: 'a topic' },
      { ...other, vnid: 77 },
      { ...other, position: 1_000 },
    ]);
    const again = await played(LOG, { verification: wrong });
    wrong.end(again.player.network, again.player.digests);
    expect(wrong.differences.map(({ by, position, vnid, expected }) => [by, position, vnid, expected === null])).toEqual([
      ['a snapshot', 5, 1, false],
      ['a snapshot', 5, 77, true],
      ['a topic', 6, 1, false],
    ]);
    expect(wrong.left).toBe(1);
  });
});

describe('a log that is played', () => {
  it('is followed once, and nothing else', async () => {
    const log = new PlayedLog(
      'id',
      (async function* () {
        yield LOG.slice(0, 3);
        yield LOG.slice(3);
      })(),
    );
    const stop = new AbortController();
    const seen: unknown[] = [];
    for await (const message of log.subscribe({ signal: stop.signal })) {
      seen.push(message.kind === 'events' ? message.events.length : message.kind);
      if (seen.length === 4) stop.abort();
    }
    expect(seen).toEqual(['caught-up', 3, LOG.length - 3, 'caught-up']);
    await log.over;
    expect((await log.head()).position).toBe(LOG.at(-1)!.position);
    await expect(log.append()).rejects.toThrow('can be followed only');
    await expect(log.readAll().next()).rejects.toThrow('can be followed only');
  });
});
