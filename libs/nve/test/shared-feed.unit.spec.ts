import { NveClient } from '@nva/nve';
import { changeRecords, membershipEntry, removed, ScriptedTransport, type Entry } from '@nva/nve/testing';
import type { FeedRecord } from '@nva/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const SHARDS = 3;
const shardOf = (vnid: number): number => vnid % SHARDS;

/** What happens to memberships at one position: VNs joined, or left. */
type Step = readonly { readonly vnid: number; readonly gone: boolean }[];

const entriesOf = (step: Step, position: number): Entry[] =>
  step.map(({ vnid, gone }) => (gone ? removed(membershipEntry(vnid, 0)) : membershipEntry(vnid, position)));

/** The parts that each shard has of the changes: whole changes of their own. */
const partsOf = (steps: readonly Step[]): FeedRecord[][][] =>
  Array.from({ length: SHARDS }, (_, shard) =>
    steps
      .map((step, i) =>
        changeRecords(
          10 * (i + 1),
          entriesOf(
            step.filter(({ vnid }) => shardOf(vnid) === shard),
            10 * (i + 1),
          ),
        ),
      )
      .filter((part) => part.length > 0),
  );

/** Any order between shards, the order of each kept. */
function woven(shards: readonly FeedRecord[][][], picks: readonly number[]): FeedRecord[][] {
  const left = shards.map((parts) => [...parts]);
  const order: FeedRecord[][] = [];
  for (let i = 0; left.some((parts) => parts.length > 0); i++) {
    const ready = left.filter((parts) => parts.length > 0);
    order.push(ready[(picks[i] ?? 0) % ready.length]!.shift()!);
  }
  return order;
}

function clientOf(tell: (transport: ScriptedTransport) => void) {
  const transport = new ScriptedTransport();
  const client = new NveClient({ nveId: 'nve1', transport });
  const told: string[] = [];
  client.on('joined', ({ vnid, membership }) => told.push(`${vnid} joined@${membership.since}`));
  client.on('left', ({ vnid, membership }) => told.push(`${vnid} left@${membership.since}`));
  client.start();
  tell(transport);
  return { client, told, of: (vnid: number) => told.filter((line) => line.startsWith(`${vnid} `)) };
}

describe('an NVE’s feed that several distributors write', () => {
  it('tells of a change in parts, each a whole one: a part that comes after newer ones of others is applied', () => {
    const { client, told } = clientOf((transport) => {
      const feed = transport.nve('nve1').read([]);
      feed.records(changeRecords(20, [membershipEntry(1, 20), membershipEntry(4, 20)]));
      feed.records(changeRecords(30, [removed(membershipEntry(1, 20))]));
      feed.records(changeRecords(20, [membershipEntry(2, 20)]));
      feed.records(changeRecords(20, [membershipEntry(3, 20)]));
    });
    expect(told).toEqual(['1 joined@20', '4 joined@20', '1 left@20', '2 joined@20', '3 joined@20']);
    expect([...client.memberships.keys()].toSorted()).toEqual([2, 3, 4]);
  });

  it('leaves the NVE in the same VNs, told of each the same, however the parts are woven, live or read from the start; in the same VNs also where ends are compacted away (X1, X8)', () => {
    const step = fc.uniqueArray(fc.record({ vnid: fc.integer({ min: 1, max: 7 }), gone: fc.boolean() }), {
      selector: ({ vnid }) => vnid,
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 40 }), fc.boolean(), (steps, picks, endsShown) => {
        const inOrder = clientOf((transport) => {
          const feed = transport.nve('nve1').read([]);
          steps.forEach((each, i) => feed.change(10 * (i + 1), ...entriesOf(each, 10 * (i + 1))));
        });
        const order = woven(partsOf(steps), picks)
          .flat()
          .map((record) => ({ ...record, changeEnd: record.changeEnd && endsShown }));
        const live = clientOf((transport) => void transport.nve('nve1').read([]).records(order).complete());
        const late = clientOf((transport) => void transport.nve('nve1').restart().records(order).complete());
        expect(live.client.memberships).toEqual(late.client.memberships);
        for (let vnid = 1; vnid <= 7; vnid++) {
          expect(live.client.memberships.get(vnid), `VN ${vnid}`).toEqual(inOrder.client.memberships.get(vnid));
          // What has no end of its own is told with what ends next, as one.
          if (endsShown) expect(live.of(vnid), `VN ${vnid}`).toEqual(inOrder.of(vnid));
        }
      }),
    );
  });
});
