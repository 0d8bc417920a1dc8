import { CONTEXT_KEY } from '@nva/codec';
import { NveClient } from '@nva/nve';
import {
  changeRecords,
  contextEntry,
  memberEntry,
  membershipEntry,
  removed,
  ScriptedTransport,
  type Entry,
  type ScriptedFeed,
} from '@nva/nve/testing';
import type { FeedRecord } from '@nva/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contents, expected, newest } from './reference.ts';
import { OWN_NVE, recordsOf, scenarios, VNID } from './scenarios.ts';

/**
 * What a transport tells while a feed is lost and filled again: records of a change that ends or not, the end of the feed reached,
 * a read begun anew.
 */
type Move = 'complete' | 'restart';

function clientFollowing(vnids: readonly number[], since = 5) {
  const transport = new ScriptedTransport();
  const client = new NveClient({ nveId: OWN_NVE, transport });
  const told: string[] = [];
  client.on('change', ({ vnid, cause }) => told.push(`${cause} ${vnid}`));
  client.on('left', ({ vnid }) => told.push(`left ${vnid}`));
  client.on('joined', ({ vnid }) => told.push(`joined ${vnid}`));
  client.start();
  transport.nve(OWN_NVE).read([[5, ...vnids.map((vnid) => membershipEntry(vnid, since))]]);
  told.splice(0);
  return { transport, client, told };
}

/** Records in an order and cut into changes as `cuts` say, the context last: what whoever makes a topic anew may write. */
function refill(live: readonly FeedRecord[], order: readonly number[], cuts: readonly boolean[]): FeedRecord[] {
  const ranked = live
    .map((record, i) => ({ record, rank: record.key === CONTEXT_KEY ? Infinity : (order[i] ?? i) }))
    .sort((a, b) => a.rank - b.rank);
  return ranked.map(({ record }, i) => ({ ...record, changeEnd: i === ranked.length - 1 || cuts[i] === true }));
}

/** Plays a refill with the moves woven in before the records that they stand at; a read begun anew meets all that was written so far. */
function play(feed: ScriptedFeed, records: readonly FeedRecord[], moves: ReadonlyMap<number, Move>, check: () => void): void {
  feed.restart('lost').complete();
  check();
  for (const [i, record] of records.entries()) {
    const move = moves.get(i);
    if (move === 'restart') feed.restart('lost again').records(records.slice(0, i));
    if (move !== undefined) feed.complete();
    check();
    feed.records([record]);
  }
}

const anyOrder = fc.array(fc.nat({ max: 1000 }), { minLength: 20, maxLength: 20 });
const anyCuts = fc.array(fc.boolean(), { minLength: 20, maxLength: 20 });
const anyMoves = fc
  .array(fc.tuple(fc.nat({ max: 12 }), fc.constantFrom<Move>('complete', 'restart')), { maxLength: 4 })
  .map((moves) => new Map(moves));

describe('a VN’s topic that is lost and made anew, its context last, in whatever order and parts', () => {
  describe.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', (_, scenario) => {
    const records = recordsOf(scenario);
    const live = [...newest(records).values()].filter(({ value }) => value !== null);
    const exists = live.some(({ key }) => key === CONTEXT_KEY);

    it('withdraws nothing, and ends in the same table with nothing to report (X6)', () => {
      fc.assert(
        fc.property(anyOrder, anyCuts, anyMoves, (order, cuts, moves) => {
          const { transport, client, told } = clientFollowing([VNID], 10);
          const feed = transport.vn(VNID).restart().records(records).complete();
          const before = client.table(VNID) && contents(client.table(VNID)!);
          told.splice(0);
          play(feed, refill(live, order, cuts), moves, () => expect(client.table(VNID) && contents(client.table(VNID)!)).toEqual(before));
          expect(told).toEqual([]);
          expect(before).toEqual(records.length === 0 ? null : expected(records));
          expect(client.table(VNID) && contents(client.table(VNID)!)).toEqual(before);
          // A VN that does not exist any more has no context to come; its NVEs go on by what they know.
          expect(client.status()[0]!.state).toBe(exists ? 'live' : 'incomplete');
        }),
        { numRuns: 40 },
      );
    });
  });
});

const VNIDS = [1, 2, 3, 4, 5, 6, 7];
const SHARDS = 3;

describe('an NVE’s topic that is lost and made anew by several distributors, each its part', () => {
  const parts = fc.array(
    fc.record({ vnid: fc.constantFrom(...VNIDS), move: fc.option(fc.constantFrom<Move>('complete', 'restart'), { nil: null }) }),
    { maxLength: 20 },
  );

  /** The VNs in the order in which their shards come to write them: each shard's own order kept. */
  const writtenOrder = (wanted: readonly number[]): number[] => {
    const shards = Array.from({ length: SHARDS }, (_, shard) => VNIDS.filter((vnid) => vnid % SHARDS === shard));
    return [...wanted, ...VNIDS].flatMap((vnid) => shards[vnid % SHARDS]!.splice(0, 1));
  };

  it('ends no membership, whatever part is read first; a VN that had put the NVE out meanwhile is left, once, by its own feed (X6, X8)', () => {
    fc.assert(
      fc.property(parts, fc.uniqueArray(fc.constantFrom(...VNIDS), { maxLength: 3 }), (steps, gone) => {
        const { transport, client, told } = clientFollowing(VNIDS);
        const tables = (vnid: number): (readonly [number, ...Entry[]])[] => [
          [3, contextEntry(vnid)],
          [5, memberEntry(OWN_NVE), memberEntry('nve1')],
        ];
        for (const vnid of VNIDS) transport.vn(vnid).read(tables(vnid));
        // The membership's removal is lost with the topic; the VN's feed has its own.
        const feed = transport.nve(OWN_NVE);
        told.splice(0);
        feed.restart('lost').complete();
        expect(told).toEqual([]);
        for (const vnid of gone) transport.vn(vnid).change(20, removed(memberEntry(OWN_NVE)));
        const left = told.filter((line) => line.startsWith('left')).length;

        const written: FeedRecord[] = [];
        const moves = new Map(steps.map(({ move }, i) => [i, move]));
        for (const [i, vnid] of writtenOrder(steps.map((step) => step.vnid)).entries()) {
          const move = moves.get(i);
          if (move === 'restart') feed.restart('lost again').records(written);
          if (move) feed.complete();
          const records = gone.includes(vnid) ? [] : changeRecords(5, [membershipEntry(vnid, 5)]);
          feed.records(records);
          written.push(...records);
        }
        expect(told.filter((line) => line.startsWith('left') || line.startsWith('joined')).length).toBe(left);
        expect([...client.memberships.keys()].toSorted()).toEqual(VNIDS.filter((vnid) => !gone.includes(vnid)));
        if (![...moves.values()].includes('restart')) expect(client.doubts()).toEqual([]);
        feed.complete();
        expect(client.doubts()).toEqual([]);
      }),
    );
  });
});
