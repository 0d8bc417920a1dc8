import { NveClient, type NveEvents } from '@nva/nve';
import { changeRecords, contextEntry, mappingEntry, memberEntry, membershipEntry, removed, type Entry } from '@nva/nve/testing';
import type { FeedRecord } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nve, vn } from '../../../test/contract/feed-records.ts';
import { InProcessFeed, InProcessTransport } from '../src/index.ts';

const vm = (n: number): Entry => mappingEntry(`vm${n}`, 'nve1', { mac: `02:00:00:00:00:0${n}`, ip: `10.0.0.${n}` });

let feed: InProcessFeed;
let client: NveClient;
let told: NveEvents['change'][];
const publish = (...records: FeedRecord[]): Promise<void> => feed.publish([{ feed: vn(100), records }]);
const story = (): string[] =>
  told
    .splice(0)
    .map(
      ({ cause, position, changes }) => `${cause}@${position} ${changes.map(({ key, after }) => `${after ? '+' : '-'}${key}`).join(' ')}`,
    );

beforeEach(async () => {
  feed = new InProcessFeed();
  await feed.open();
  await feed.ensure([vn(100), nve('nve2')]);
  await publish(
    ...changeRecords(3, [contextEntry(100)]),
    ...changeRecords(4, [memberEntry('nve1'), vm(1)]),
    ...changeRecords(5, [memberEntry('nve2')]),
  );
  await feed.publish([{ feed: nve('nve2'), records: changeRecords(5, [membershipEntry(100, 5)]) }]);
  client = new NveClient({ nveId: 'nve2', transport: new InProcessTransport(feed) });
  told = [];
  client.on('change', (change) => told.push(change));
  client.start();
  await vi.waitFor(() => expect(client.applied()).toMatchObject([{ vnid: 100, position: '5' }]), 120_000);
  told.splice(0);
});
afterEach(() => client.close());

describe('a change that has no end of its own, to a client that follows in process', () => {
  /** Of a change that passed vm1's address on, what is left: the rest was told anew by a later one. */
  const [left] = changeRecords(20, [removed(vm(1)), vm(2)]);

  it('is applied with the next one that ends, as one: until then the table and its digest are those of before', async () => {
    const before = client.applied();
    await publish(left!);
    expect([story(), client.applied()]).toEqual([[], before]);
    await publish(...changeRecords(30, [vm(2)]));
    expect(story()).toEqual([`change@30 -${vm(1)[0]} +${vm(2)[0]}`]);
    expect(client.applied()).toMatchObject([{ position: '30', digest: client.table(100)!.digest() }]);
  });

  it('is applied whole when it is told again from its first record', async () => {
    await publish(left!);
    await publish(...changeRecords(20, [removed(vm(1)), vm(2)]));
    expect(story()).toEqual([`change@20 -${vm(1)[0]} +${vm(2)[0]}`]);
  });

  it('is read with all else by whoever comes later', async () => {
    await publish(left!);
    await publish(...changeRecords(30, [vm(2)]));
    const later = new NveClient({ nveId: 'nve2', transport: new InProcessTransport(feed) });
    later.start();
    await vi.waitFor(() => expect(later.applied()).toEqual(client.applied()), 120_000);
    await later.close();
  });
});
