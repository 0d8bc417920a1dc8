import { createRecordCodec } from '@nva/codec';
import { until } from '@nva/processes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeRecord } from '../../libs/kafka/src/record-format.ts';
import { attach, detach, nve, vn } from '../../libs/registrar/test/harness.ts';
import type { LocalNve } from './nves.ts';
import { DyingWriter } from './odd-writers.ts';
import { World } from './world.ts';

let world: World;
let writer: DyingWriter;
let nves: LocalNve[];

beforeEach(async () => {
  world = await World.make();
  await world.start({ writer: (options) => (writer = new DyingWriter(options)) });
  await world.submit(vn(1), nve('nve1'), nve('nve2'), nve('nve3'), attach('t1', 'nve1', 1), attach('t3', 'nve3', 3));
  nves = ['nve1', 'nve2', 'nve3'].map((nveId) => world.nve(nveId));
  await world.expectConverged();
});
afterEach(() => world.dispose());

const keysAt = ({ client }: LocalNve): string[] => [...client.table(1)!.entries()].map(([key]) => key).toSorted();

describe('a change that a crash of the distributor cut in two', () => {
  it('is never shown as a half, and is whole after the restart (X1, X6)', async () => {
    const before = keysAt(nves[0]!);
    writer.dieAfter(1);
    // The member of nve2 gets through, the mapping with the end of the change does not.
    await world.submit(attach('t2', 'nve2', 2));
    await until('half of the change is on the topic', async () =>
      (await world.feed.raw(world.topic(1))).at(-1)?.key?.toString() === 'member/nve2' && writer.dead ? null : 'not yet',
    );
    expect(keysAt(nves[0]!)).toEqual(before);
    await world.stop();
    await world.start();
    expect(world.nva.distributor.counters.recordsPublished).toBe(1);
    await world.expectConverged();
    expect(nves.map(({ withdrawn }) => withdrawn)).toEqual([[], [], []]);
    // One report, of the whole change.
    expect(nves[0]!.changes.at(-1)).toMatchObject({ cause: 'change', changes: [{ key: 'member/nve2' }, { key: 'mapping/t2/192.0.2.2' }] });
  });

  it('and more changes after it, never published: each key ends at its newest position', async () => {
    writer.dieAfter(2);
    await world.submit(
      attach('t1', 'nve2', 1),
      attach('t2', 'nve3', 2),
      detach('t3', 'nve3'),
      attach('t1', 'nve3', 1),
      detach('t2', 'nve3'),
      attach('t2', 'nve1', 2),
    );
    await until('the distributor is dead', () => (writer.dead ? null : 'not yet'));
    await world.stop();
    await world.start();
    await world.expectConverged();
  });

  it('in a transaction that was never committed: followers have seen it, the log never held it, nothing of it stays', async () => {
    await world.stop();
    const { prefix, client } = world.feed;
    const producer = client.producer({ transactionalId: `${prefix}-shard-1`, maxInFlightRequests: 1, allowAutoTopicCreation: false });
    await producer.connect();
    const transaction = await producer.transaction();
    const half = encodeRecord(
      { key: 'member/nve3', value: null, position: 5, log: world.logId, changeEnd: false },
      createRecordCodec(),
    ).message;
    await transaction.send({ topic: world.topic(1), messages: [half] });
    await world.start();
    await world.expectConverged();
    await producer.disconnect();
    await world.submit(attach('t2', 'nve2', 2));
    await world.expectConverged();
  });
});

describe('a topic deleted under the checkpoint of a distributor that is down', () => {
  it('is made anew from the fold, and followers recover without losing an entry meanwhile (X6)', async () => {
    await world.submit(attach('t2', 'nve2', 2), attach('t1', 'nve2', 1));
    await world.expectConverged();
    const before = keysAt(nves[0]!.client.table(1) ? nves[0]! : nves[1]!);
    // Whether it saw nve1 leave depends on when it read the VN.
    const { withdrawn } = nves[1]!;
    await world.stop();
    await world.feed.admin((admin) => admin.deleteTopics({ topics: [world.topic(1)] }));
    await until('the NVE notices', () =>
      nves[1]!.client.status()[0]!.state === 'interrupted' ? null : nves[1]!.client.status()[0]!.state,
    );
    expect(keysAt(nves[1]!)).toEqual(before);
    await world.start();
    await world.expectConverged();
    expect(nves[1]!.withdrawn).toEqual(withdrawn);
    await world.submit(detach('t2', 'nve2'), attach('t4', 'nve1', 4));
    await world.expectConverged();
  });

  it('and so is the topic on which an NVE listens (X8)', async () => {
    await world.stop();
    await world.feed.admin((admin) => admin.deleteTopics({ topics: [`${world.feed.prefix}.nve.nve3`, `${world.feed.prefix}.nve.nve2`] }));
    await until('the NVE notices', () =>
      nves[2]!.client.membershipStatus().state === 'interrupted' ? null : nves[2]!.client.membershipStatus().state,
    );
    await world.start();
    await world.submit(attach('t2', 'nve2', 2));
    await world.expectConverged();
    expect(nves[2]!.left).toEqual([]);
  });
});
