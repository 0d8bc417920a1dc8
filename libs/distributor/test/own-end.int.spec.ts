import { createEventCodec } from '@nva/codec';
import { GappedEventStore } from '@nva/event-log/testing';
import { InProcessFeed, Topics } from '@nva/in-process-feed';
import { LogEndLost, silentLogger, type EventStore, type FeedRecord } from '@nva/ports';
import { expect, it } from 'vitest';
import { attach, detach, ManualClock, nve, startNode, vn, type Node } from '../../registrar/test/harness.ts';
import { Distributor } from '../src/index.ts';

const clock = new ManualClock();
const VN1 = { kind: 'vn', vnid: 1 } as const;

const emptyLog = (): GappedEventStore => new GappedEventStore({ codec: createEventCodec(), seed: 7 });

/** The first events of a log, as a backup brings them back: the same UUIDs, of the log as well. */
async function backupOf(store: EventStore, events: number): Promise<EventStore> {
  const backup = Object.assign(emptyLog(), { logId: store.logId });
  for await (const batch of store.readAll({ limit: events })) {
    for (const { stream, revision, id, event } of batch.events)
      await backup.append([{ stream, expectedRevision: revision - 1, events: [{ id, event }] }]);
  }
  return backup;
}

async function distributing<T>(
  node: Node,
  store: EventStore,
  topics: Topics,
  endedAt: number,
  then: (distributor: Distributor) => Promise<T>,
): Promise<T> {
  const distributor = new Distributor(new InProcessFeed('nvo3', topics), node.replica, store, silentLogger, { adopt: false, endedAt });
  try {
    await distributor.start((cause) => {
      throw cause;
    });
    return await then(distributor);
  } finally {
    await distributor.stop();
    await node.stop();
  }
}

const headOf = async (store: EventStore): Promise<number> => (await store.head()).position;
const standing = (topics: Topics): Promise<FeedRecord[]> => Array.fromAsync(new InProcessFeed('nvo3', topics).read(VN1));

/** What one process left on the feeds, and the log that it had. */
async function left(): Promise<{ readonly store: EventStore; readonly topics: Topics }> {
  const [store, topics] = [emptyLog(), new Topics()];
  const node = await startNode(store, clock);
  await node.submit(vn(1), nve('nve1'), nve('nve2'), attach('t1', 'nve1', 1));
  await distributing(node, store, topics, 0, () => node.submit(attach('t2', 'nve2', 2)));
  return { store, topics };
}

it('a log that was put back, and has grown past what was published of it before, is found to have lost its end: nothing is published, and it is not whole as long as it holds what it grew by (X1)', async () => {
  const { store, topics } = await left();
  const backup = await backupOf(store, 4);
  const endedAt = await headOf(backup);
  const node = await startNode(backup, clock);
  // In the place of what was lost, before the feeds are looked at.
  await node.submit(detach('t1', 'nve1'));
  const before = await standing(topics);
  const refused = await distributing(node, backup, topics, endedAt, () => Promise.resolve(null)).catch((cause: unknown) => cause);
  const grownTo = await headOf(backup);
  expect(grownTo).toBe(await headOf(store));
  expect(refused).toBeInstanceOf(LogEndLost);
  expect((refused as LogEndLost).loss).toMatchObject({ log: store.logId, head: endedAt, grown: { position: grownTo } });
  expect(String(refused)).toContain('it was written to since, from there on');
  expect(await standing(topics)).toEqual(before);
});

it('so is one that was started again before the feeds were looked at, by a record that another event caused than the log has there (X1)', async () => {
  const { store, topics } = await left();
  const gone = await startNode(store, clock);
  await distributing(gone, store, topics, await headOf(store), () => gone.submit(detach('t1', 'nve1')));
  const [endOfLoss, events] = [await headOf(store), (await Array.fromAsync(store.readAll())).flatMap((batch) => batch.events).length];
  const backup = await backupOf(store, events - 1);
  const node = await startNode(backup, clock);
  await node.submit(attach('t3', 'nve1', 3));
  const before = await standing(topics);
  const endedAt = await headOf(backup);
  expect(endedAt).toBe(endOfLoss);
  const refused = await distributing(node, backup, topics, endedAt, () => Promise.resolve(null)).catch((cause: unknown) => cause);
  expect(refused).toBeInstanceOf(LogEndLost);
  expect((refused as LogEndLost).loss).toMatchObject({ marks: [{ position: endedAt }], grown: { position: endedAt } });
  expect(String(refused)).toContain('it was written to since, from there on');
  expect(await standing(topics)).toEqual(before);
});

it('a log that only grew is not taken for one, though what this process has published stands beyond where the log ended at its start', async () => {
  const { store, topics } = await left();
  const node = await startNode(store, clock);
  const endedAt = await headOf(store);
  await node.submit(attach('t3', 'nve1', 3));
  await distributing(node, store, topics, endedAt, async (distributor) => {
    await node.submit(attach('t4', 'nve2', 4));
    distributor.doubt(1);
    await expect.poll(async () => distributor.publishedPosition === (await headOf(store)) && !distributor.doubts.isDue).toBe(true);
  });
  expect((await standing(topics)).some(({ key }) => key.includes('t4'))).toBe(true);
});
