import { command } from '@nva/domain/testing';
import type { Command } from '@nva/domain';
import { KafkaFeedWriter } from '@nva/kafka';
import { FeedFenced, FeedRefused, FeedUnavailable, feedKey, vnidOf, type FeedBatch, type FeedName, type FeedRecord } from '@nva/ports';
import { until } from '@nva/processes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { member, membership } from '../../../test/contract/feed-records.ts';
import { LocalNve } from '../../../test/e2e/nves.ts';
import { attach, detach, nve, vn } from '../../registrar/test/harness.ts';
import { PURGE_AFTER_MS } from '../src/index.ts';
import { LOWER, Sharing, topicOf, UPPER, type Running } from './sharing.ts';

/** VN 1, 2 and 65 are of the lower half of the shards, 33 and 97 of the upper one. */
const [VN1, VN33, NVE1]: FeedName[] = [
  { kind: 'vn', vnid: 1 },
  { kind: 'vn', vnid: 33 },
  { kind: 'nve', nveId: 'nve1' },
] as const;
const everywhere = (n: number, ...vnids: number[]): object => ({
  bindings: vnids.map((vnid, i) => ({ bid: i + 1, vnid, ip: `192.0.2.${n}` })),
});

/** With the bindings that it has. */
const move = (tsId: string, nveId: string): Command => attach(tsId, nveId, Number(tsId.slice(1)), { bindings: null });

const BEGIN: Command[] = [...[1, 2, 65, 33, 97].map((vnid) => vn(vnid)), nve('nve1'), nve('nve2'), nve('nve3')];
/** Changes that touch both halves at once, one after the other: joins, moves, a MAC, an NVE that fails, ends. */
const HISTORY: Command[][] = [
  [attach('t1', 'nve1', 1, everywhere(1, 1, 33, 65, 2, 97)), attach('t2', 'nve2', 2, everywhere(2, 33, 1))],
  [move('t1', 'nve2'), attach('t3', 'nve3', 3, everywhere(3, 97, 2))],
  [command('changeMac', { tsId: 't2', mac: '02:00:00:00:00:77' }), command('disconnectNve', { nveId: 'nve3' })],
  [nve('nve3', { incarnation: 2 }), move('t1', 'nve3'), detach('t2', 'nve2')],
  [vn(34), attach('t4', 'nve1', 4, everywhere(4, 34, 1)), detach('t3', 'nve3')],
  [detach('t4', 'nve1'), command('deleteVn', { vnid: 34 })],
];

/** Notes when a call begins and when it is acknowledged; can be cut off as by a crash. */
class NotingWriter extends KafkaFeedWriter {
  readonly notes: string[] = [];
  /** Lets this many records of VNs through, and from there on nothing. */
  left = Number.POSITIVE_INFINITY;

  override async publish(batches: readonly FeedBatch[]): Promise<void> {
    const through = batches.flatMap(({ feed, records }) => {
      const part = feed.kind === 'vn' ? records.slice(0, this.left) : records;
      if (feed.kind === 'vn') this.left -= part.length;
      return part.length > 0 && (feed.kind === 'vn' || this.left > 0) ? [{ feed, records: part }] : [];
    });
    const names = through.flatMap(({ feed, records }) => records.map(({ key, value }) => `${value ? '+' : '-'}${feedKey(feed)} ${key}`));
    this.notes.push(...names.map((name) => `begin ${name}`));
    if (through.length > 0) await super.publish(through);
    this.notes.push(...names.map((name) => `done ${name}`));
    if (this.left <= 0) throw new FeedUnavailable('the process is dead');
  }
}

let sharing: Sharing;
beforeEach(async () => {
  sharing = await Sharing.make();
});
afterEach(() => sharing.dispose());

const undisturbed = ({ distributor, failures }: Running): void => {
  expect(failures).toEqual([]);
  expect(distributor.counters).toMatchObject({ publishFailures: 0, reconciliations: 1 });
};

describe('distributors that share the shards', () => {
  it('publish together what one alone does, record by record, and nothing more at a restart', async () => {
    const alone = { feed: await sharing.otherFeed() };
    const one = await sharing.start(undefined, alone);
    const halves = [await sharing.start(LOWER), await sharing.start(UPPER)];
    const nves = ['nve1', 'nve2', 'nve3'].map((nveId) => new LocalNve(sharing.feed, nveId));
    await sharing.submit(...BEGIN);
    for (const commands of HISTORY) await sharing.submit(...commands);
    for (const running of [one, ...halves]) await sharing.published(running);

    await sharing.expectTopicsEqualFold();
    await sharing.expectTopicsEqualFold(alone.feed);
    const [together, single] = [await told(sharing.feed), await told(alone.feed)];
    expect(together).toEqual(single);
    // What a shard has of a change is a change.
    expect(together.get('nve/nve1 of 1')!.map((entry) => entry.replace(/ \{.*/, ''))).toEqual([
      'vn/1@9',
      'vn/65@9 end',
      'vn/1@11 null',
      'vn/65@11 end null',
      'vn/1@19 end',
      'vn/1@21 end null',
    ]);
    for (const client of nves) await until(`${client.nveId} holds what the fold says`, () => lacking(client));
    for (const client of nves) await client.close();

    for (const half of halves) await sharing.stop(half);
    for (const owned of [LOWER, UPPER]) expect((await sharing.start(owned)).distributor.counters.recordsPublished).toBe(0);
  });

  it('tell an NVE of a VN before the NVE appears in it, each of its own VNs (X8)', async () => {
    const writers: NotingWriter[] = [];
    const writer = (options: ConstructorParameters<typeof NotingWriter>[0]): NotingWriter =>
      (writers[writers.length] = new NotingWriter(options));
    const halves = [await sharing.start(LOWER, { writer }), await sharing.start(UPPER, { writer })];
    await sharing.submit(...BEGIN, ...HISTORY[0]!, ...HISTORY[1]!);
    for (const half of halves) await sharing.published(half);
    const joins = [
      [0, 'nve1', 1],
      [0, 'nve1', 65],
      [0, 'nve2', 1],
      [0, 'nve3', 2],
      [1, 'nve1', 33],
      [1, 'nve2', 97],
    ] as const;
    for (const [half, nveId, vnid] of joins) {
      const { notes } = writers[half]!;
      const acknowledged = notes.indexOf(`done +nve/${nveId} vn/${vnid}`);
      expect(acknowledged, `${nveId} in ${vnid}`).toBeGreaterThan(-1);
      expect(notes.indexOf(`begin +vn/${vnid} member/${nveId}`), `${nveId} in ${vnid}`).toBeGreaterThan(acknowledged);
    }
  });

  it('leave alone what is another’s, wrong or of another log, until its owner comes', async () => {
    const halves = [await sharing.start(LOWER), await sharing.start(UPPER)];
    await sharing.submit(...BEGIN, ...HISTORY[0]!);
    for (const half of halves) await sharing.published(half);
    for (const half of halves) await sharing.stop(half);

    const [log, other] = [sharing.store.logId, '00000000-0000-4000-8000-000000000000'];
    const wrong = (vnid: number, more = {}): FeedRecord => membership(vnid, 1, { log, ...more });
    const ghost = member('ghost', 1, { log });
    const intruder = sharing.feed.writer();
    await intruder.open();
    await intruder.ensure([{ kind: 'vn', vnid: 35 }]);
    // A key without a VN is of shard 0.
    await intruder.publish([
      { feed: VN1!, records: [ghost] },
      { feed: VN33!, records: [ghost] },
      { feed: NVE1!, records: [wrong(2), wrong(1, { key: 'odd' }), wrong(33), wrong(34), wrong(161, { log: other })] },
    ]);
    await sharing.feed.send(topicOf(sharing.feed, NVE1!), [{ key: 'vn/97', value: 'no record' }]);
    await intruder.close();

    const lower = await sharing.start(LOWER);
    expect(lower.distributor.counters).toMatchObject({ recordsPublished: 3, undecodable: 0 });
    const after = await sharing.standing();
    const keys = (feed: FeedName): string[] => after.get(feedKey(feed))!.map(({ key, position }) => `${key}@${position}`);
    expect(keys(VN1!)).not.toContain('member/ghost@1');
    expect(keys(VN33!)).toContain('member/ghost@1');
    const due = sharing
      .due()
      .get('nve/nve1')!
      .map(({ key, position }) => `${key}@${position}`);
    expect(keys(NVE1!)).toEqual([
      due.find((key) => key.startsWith('vn/1@')),
      'vn/161@1',
      due.find((key) => key.startsWith('vn/2@')),
      'vn/33@1',
      'vn/34@1',
      due.find((key) => key.startsWith('vn/65@')),
      due.find((key) => key.startsWith('vn/97@')),
    ]);

    await expect(sharing.start(UPPER)).rejects.toThrow(FeedRefused);
    const upper = await sharing.start(UPPER, { adopt: true });
    expect(upper.distributor.counters.undecodable).toBe(1);
    expect((await sharing.standing()).get('vn/35')).toEqual([]);
    await sharing.submit(attach('t3', 'nve1', 3, everywhere(3, 97, 2)));
    for (const half of [lower, upper]) await sharing.published(half);
    const standing = await sharing.standing();
    standing.delete('vn/35');
    expect(standing).toEqual(sharing.due());
    undisturbed(lower);
  });

  it('wait for what another has not finished on an NVE’s topic, and judge what stands behind it', async () => {
    const halves = [await sharing.start(LOWER), await sharing.start(UPPER)];
    await sharing.submit(...BEGIN, ...HISTORY[0]!);
    for (const half of halves) await sharing.published(half);
    await sharing.stop(halves[0]!);
    const frozen = sharing.feed.client.producer({
      transactionalId: `${sharing.feed.prefix}-frozen`,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
    });
    await frozen.connect();
    const transaction = await frozen.transaction();
    await transaction.send({ topic: topicOf(sharing.feed, NVE1!), messages: [{ key: 'vn/33', value: null }] });
    const intruder = sharing.feed.writer({ owned: LOWER });
    await intruder.open();
    await intruder.publish([{ feed: NVE1!, records: [membership(2, 1, { log: sharing.store.logId })] }]);
    let started = false;
    const starting = sharing.start(LOWER).then((lower) => ((started = true), lower));
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(started).toBe(false);
    await transaction.abort();
    expect((await starting).distributor.counters.recordsPublished).toBe(1);
    await frozen.disconnect();
    await sharing.expectTopicsEqualFold();
  });

  it('delete the topics of their own VNs long gone, and no others', async () => {
    const halves = [await sharing.start(LOWER), await sharing.start(UPPER)];
    await sharing.submit(vn(2), vn(34), command('deleteVn', { vnid: 2 }), command('deleteVn', { vnid: 34 }));
    for (const half of halves) await sharing.published(half);
    sharing.clock.advance(PURGE_AFTER_MS);
    const left = (): string[] =>
      [...sharing.registrar.replica.network.vns].filter(([, { state }]) => state.status === 'deleted').map(([vnid]) => String(vnid));
    halves[0]!.distributor.purge();
    await until('VN 2 is purged', () => (left().includes('2') ? 'it is there' : null));
    expect(left()).toEqual(['34']);
    expect((await sharing.feed.writer().list()).map(feedKey)).toEqual(['vn/34']);
    halves[1]!.distributor.purge();
    await until('VN 34 is purged', () => left()[0] ?? null);
    expect(halves.map(({ distributor }) => distributor.counters.vnsPurged)).toEqual([1, 1]);
  });

  it('of which one restarts in the middle of a change: the others go on, and every key ends at its newest (X1)', async () => {
    let dying: NotingWriter | undefined;
    const lower = await sharing.start(LOWER);
    const upper = await sharing.start(UPPER, { writer: (options) => (dying = new NotingWriter(options)) });
    await sharing.submit(...BEGIN, ...HISTORY[0]!);
    for (const half of [lower, upper]) await sharing.published(half);
    dying!.left = 1;
    for (const commands of HISTORY.slice(1, 4)) await sharing.submit(...commands);
    await until('it is dead', () => (dying!.left <= 0 ? null : `${dying!.left} left`));
    await sharing.published(lower);
    await sharing.stop(upper);
    await sharing.submit(...HISTORY[4]!);
    const again = await sharing.start(UPPER);
    await sharing.submit(...HISTORY[5]!);
    for (const half of [lower, again]) await sharing.published(half);
    await sharing.expectTopicsEqualFold();
    undisturbed(lower);
  });

  it('of which one is superseded while changes go on: it stops and says by whom, the other half goes on undisturbed', async () => {
    const lower = await sharing.start(LOWER, { clientId: 'first' });
    const upper = await sharing.start(UPPER);
    await sharing.submit(...BEGIN, ...HISTORY[0]!);
    const enough = new AbortController();
    const changing = (async () => {
      for (let round = 0; !enough.signal.aborted; round++)
        await sharing.submit(
          move('t1', `nve${1 + (round % 3)}`),
          command('changeMac', { tsId: 't2', mac: `02:00:00:00:01:${(round % 256).toString(16).padStart(2, '0')}` }),
        );
    })();
    const third = await sharing.start(LOWER, { clientId: 'third' });
    await until('the first has found out', () => (lower.failures.length > 0 ? null : 'not yet'));
    enough.abort();
    await changing;
    expect(lower.failures[0]).toBeInstanceOf(FeedFenced);
    expect((lower.failures[0] as Error).message).toMatch(
      /^Shard \d+ of the feeds was taken over by third on \S+, process \d+ \([0-9a-f-]{36}\), at 20/,
    );
    for (const running of [third, upper]) await sharing.published(running);
    await sharing.expectTopicsEqualFold();
    undisturbed(upper);
    undisturbed(third);
    expect(await upper.writer.loadCheckpoint()).not.toBeNull();
  });
});

/** By feed, and on an NVE's feed by shard, since shards have no order between them: every record but for the prefix in it. */
async function told(feed: Sharing['feed']): Promise<Map<string, string[]>> {
  const reader = feed.writer();
  const result = new Map<string, string[]>();
  for await (const { feed: name, record } of reader.readAll(await reader.list())) {
    if ('undecodable' in record) throw record.cause;
    const { key, position, changeEnd, value } = record;
    const of = name.kind === 'vn' ? feedKey(name) : `${feedKey(name)} of ${vnidOf(name, key) % 64}`;
    const entry = `${key}@${position}${changeEnd ? ' end' : ''} ${JSON.stringify(value).replace(`${feed.prefix}.`, '')}`;
    result.set(of, [...(result.get(of) ?? []), entry]);
  }
  return new Map([...result].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** What an NVE lacks of the VNs that it is in. */
function lacking({ nveId, client }: LocalNve): string | null {
  const { network, digests } = sharing.registrar.replica;
  const due = [...(network.nves.get(nveId)?.memberships.keys() ?? [])].toSorted((a, b) => a - b);
  const status = client.status();
  if (String(status.map(({ vnid }) => vnid)) !== String(due)) return `it is in VNs ${status.map(({ vnid }) => vnid)}, not ${due}`;
  for (const { vnid, digest } of status) if (digest !== digests.current(`vn/${vnid}`).digest) return `VN ${vnid} has digest ${digest}`;
  return null;
}
