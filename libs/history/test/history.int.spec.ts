import fc from 'fast-check';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TableDigest, type Mapping } from '@nva/codec';
import { feedsOf, Network, recordsOf, resolve, type RecordChange, type TableRecord } from '@nva/fold';
import { feedKey, type FeedName, type Logger, type Position, type RecordedEvent } from '@nva/ports';
import { racyLog } from '../../fold/test/races.ts';
import { History, HistoryDamaged } from '../src/index.ts';

const LOG = '70f53541-0000-4000-8000-000000000001';
/** Small, so that the short logs of these tests have many blocks and keyframes. */
const SMALL = { blockEntries: 3, keyframeAfter: 4, runEvents: 5 };

let folder: string;
let lines: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[];
const logger = {
  warn: (message: string, fields: Readonly<Record<string, unknown>> = {}) => lines.push({ message, fields }),
} as unknown as Logger;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nva-history-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const openAt = (path: string, logId = LOG): History => History.open({ path, logId, logger, limits: SMALL });
const byKey = (records: Iterable<TableRecord>): Map<string, TableRecord> => new Map([...records].map((record) => [record.key, record]));

/** What a replay from the start finds: every table after every event, and every change. */
class Replay {
  readonly tables = new Map<Position, Map<string, Map<string, TableRecord>>>();
  readonly feeds = new Map<string, FeedName>();
  /** Every key that a feed ever had. */
  readonly keys = new Map<string, Set<string>>();
  readonly changes: { readonly position: Position; readonly change: RecordChange }[] = [];
  readonly resolved = new Map<Position, Map<string, readonly { readonly mapping: Mapping; readonly position: Position }[]>>();

  constructor(log: readonly RecordedEvent[]) {
    const network = new Network();
    this.#look(0, network);
    for (const event of log) {
      for (const change of network.apply(event)) {
        this.changes.push({ position: event.position, change });
        const name = feedKey(change.feed);
        this.keys.set(name, (this.keys.get(name) ?? new Set()).add(change.key));
      }
      this.#look(event.position, network);
    }
  }

  #look(position: Position, network: Network): void {
    const tables = new Map<string, Map<string, TableRecord>>();
    for (const feed of feedsOf(network)) {
      this.feeds.set(feedKey(feed), feed);
      tables.set(feedKey(feed), byKey(recordsOf(network, feed)));
    }
    this.tables.set(position, tables);
    this.resolved.set(position, new Map(ADDRESSES.map((address) => [JSON.stringify(address), resolve(network, address.vnid, address.of)])));
  }
}

const ADDRESSES = [1, 2, 3].flatMap((vnid) => [
  ...['192.0.2.1', '192.0.2.2', '2001:db8::1', '203.0.113.1'].map((ip) => ({ vnid, of: { ip } })),
  ...['02:00:00:00:00:01', '02:00:00:00:00:02'].map((mac) => ({ vnid, of: { mac } })),
]);

/** Folds part of a log into a history that has what is before it. */
function take(history: History, network: Network, log: readonly RecordedEvent[]): void {
  for (const event of log) history.take(event, network.apply(event), network);
}

function agrees(history: History, log: readonly RecordedEvent[], upTo: Position): void {
  const replay = new Replay(log.filter(({ position }) => position <= upTo));
  const positions = [...replay.tables.keys()];
  for (const [name, feed] of replay.feeds) {
    for (const position of positions) {
      const table = replay.tables.get(position)!.get(name) ?? new Map();
      expect(byKey(history.table(feed, position)), `${name} at ${position}`).toEqual(table);
      for (const key of replay.keys.get(name) ?? []) expect(history.record(feed, key, position)).toEqual(table.get(key) ?? null);
      const digest = new TableDigest();
      for (const record of table.values()) digest.set(record.key, record.position, null);
      expect(history.digest(feed, position)).toBe(digest.toString());
    }
    const changes = replay.changes.filter(({ change }) => feedKey(change.feed) === name);
    for (const key of replay.keys.get(name) ?? []) {
      const ofKey = changes.filter(({ change }) => change.key === key).map(({ position, change: { value } }) => ({ position, key, value }));
      for (const [i, position] of positions.entries()) {
        const before = positions[i >> 1]!;
        const upToHere = ofKey.filter((one) => one.position <= position);
        expect(history.changesOf(feed, key, before, position)).toEqual(upToHere.filter((one) => one.position > before));
        expect(history.lastChange(feed, key, position)).toEqual(upToHere.at(-1) ?? null);
        expect(history.lastChange(feed, key, position, 'removal')).toEqual(upToHere.findLast(({ value }) => value === null) ?? null);
      }
    }
    for (const after of [0, positions[positions.length >> 1]!, positions.at(-1)!]) {
      const wanted = changes
        .filter(({ position }) => position > after)
        .map(({ position, change: { key, value } }) => ({ position, key, value }));
      expect([...history.changes(feed, after, upTo)]).toEqual(wanted);
    }
    for (const [from, to] of [
      [0, upTo],
      [positions[positions.length >> 2]!, positions[positions.length >> 1]!],
    ] as const)
      expect(history.difference(feed, from, to).toSorted(byName)).toEqual(differences(replay, name, from, to));
  }
  for (const { vnid, of } of ADDRESSES) {
    const holders = replay.changes.flatMap(({ position, change: { feed, key, value } }) =>
      feedKey(feed) === `vn/${vnid}` && value?.type === 'Mapping' && ('mac' in of ? value.data.mac === of.mac : value.data.ip === of.ip)
        ? [{ position, key, value }]
        : [],
    );
    for (const position of positions) {
      const last = holders.findLast((one) => one.position <= position);
      expect(history.lastHolder(vnid, of, position)?.position ?? null).toEqual(last?.position ?? null);
    }
  }
  for (const position of positions)
    for (const address of ADDRESSES)
      expect(history.resolve(address.vnid, address.of, position).toSorted(byTenantSystem)).toEqual(
        replay.resolved.get(position)!.get(JSON.stringify(address))!.toSorted(byTenantSystem),
      );
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byName = (a: { readonly key: string }, b: { readonly key: string }): number => compare(a.key, b.key);
const byTenantSystem = (a: { readonly mapping: Mapping }, b: { readonly mapping: Mapping }): number =>
  compare(JSON.stringify(a.mapping), JSON.stringify(b.mapping));

function differences(replay: Replay, name: string, from: Position, to: Position): unknown {
  const [before, after] = [from, to].map((position) => replay.tables.get(position)!.get(name) ?? new Map<string, TableRecord>());
  const last = new Map(
    replay.changes
      .filter(({ position, change }) => feedKey(change.feed) === name && position > from && position <= to)
      .map(({ position, change }) => [change.key, position]),
  );
  return [...last]
    .map(([key, position]) => ({ key, before: before!.get(key) ?? null, after: after!.get(key) ?? null, position }))
    .filter((one) => one.before !== null || one.after !== null)
    .toSorted(byName);
}

describe('the history', () => {
  it('gives every table, resolution, change and difference that a replay gives, at every position', () => {
    let run = 0;
    fc.assert(
      fc.property(racyLog(), (log) => {
        const history = openAt(join(folder, `${run++}.sqlite`));
        const network = new Network();
        take(history, network, log);
        agrees(history, log, network.position);
        history.close(network);
      }),
      { numRuns: 40 },
    );
  });

  it('goes on after a stop and after a crash from where it was covered, and passes over what it has', () => {
    let run = 0;
    fc.assert(
      fc.property(racyLog(), fc.nat(), fc.boolean(), (log, cut, crashes) => {
        const path = join(folder, `${run++}.sqlite`);
        const first = log.slice(0, cut % (log.length + 1));
        const history = openAt(path);
        const network = new Network();
        take(history, network, first);
        if (crashes) {
          history.commit();
          const left = ['', '-wal'].map((suffix) => [suffix, readFileSync(path + suffix)] as const);
          // What follows is not committed: the crash takes it away.
          take(history, network, log.slice(first.length, first.length + 5));
          history.close(network);
          for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
          for (const [suffix, bytes] of left) writeFileSync(path + suffix, bytes);
        } else history.close(network);
        const again = openAt(path);
        const { covered } = again;
        expect(covered).toBeLessThanOrEqual(network.position);
        if (!crashes) expect(covered).toBe(network.position);
        const folded = new Network();
        for (const event of log.filter(({ position }) => position <= covered)) folded.apply(event);
        take(
          again,
          folded,
          log.filter(({ position }) => position > covered),
        );
        agrees(again, log, folded.position);
        for (const { position } of log) expect(again.lastAtOrBefore(position)?.position).toBe(position);
        again.close(folded);
        expect(lines).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it('may be given again what it has, from any earlier position', () => {
    const log = fc.sample(racyLog(), { seed: 3, numRuns: 5 }).toSorted((a, b) => b.length - a.length)[0]!;
    const path = join(folder, 'history.sqlite');
    const history = openAt(path);
    const network = new Network();
    take(history, network, log.slice(0, -4));
    history.close(network);
    const again = openAt(path);
    const folded = new Network();
    take(again, folded, log);
    agrees(again, log, folded.position);
    again.close(folded);
  });

  it('knows the last event at a time, where clocks went backwards too, and the last at or before a position', () => {
    const history = openAt(join(folder, 'history.sqlite'));
    const network = new Network();
    // Clocks that go on, jump back within a run, and jump back over several runs.
    const events = Array.from({ length: 203 }, (_, i) => ({
      position: (i + 1) * 10,
      recordedAt: 1_000 + 10 * i - (i % 7 === 3 ? 45 : 0) - (i >= 90 ? 600 : 0) - (i >= 150 ? 300 : 0),
    }));
    for (const { position, recordedAt } of events)
      history.take({ position, event: { type: 'FoldUpgraded', data: { audit: { recordedAt } } } as never }, [], network);
    const at = (timeMs: number): unknown => events.findLast(({ recordedAt }) => recordedAt <= timeMs) ?? null;
    const times = Array.from({ length: 300 }, (_, i) => 900 + 9 * i);
    for (const time of times) expect(history.lastNotAfter(time), `at ${time}`).toEqual(at(time));
    expect(at(900)).toBeNull();
    // The last three events are in no whole run, so they are not in the file.
    history.commit();
    expect(history.covered).toBe(2_000);
    for (const position of [0, 9, 10, 11, 49, 50, 51, 1_024, 2_029, 2_030, 99_999])
      expect(history.lastAtOrBefore(position)).toEqual(events.findLast((event) => event.position <= position) ?? null);
    history.close(network);
    const again = openAt(join(folder, 'history.sqlite'));
    for (const time of times) expect(again.lastNotAfter(time), `at ${time}`).toEqual(at(time));
    again.close(network);
  });
});

describe('the file of a history', () => {
  const log = fc.sample(racyLog(), { seed: 5, numRuns: 10 }).toSorted((a, b) => b.length - a.length)[0]!;
  const path = (): string => join(folder, 'history', 'history.sqlite');
  function written(): Network {
    const history = openAt(path());
    const network = new Network();
    take(history, network, log);
    history.close(network);
    return network;
  }

  it('is only its owner’s', () => {
    written();
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'history')).mode & 0o777).toBe(0o700);
  });

  it('of another log is thrown away, with a line that says so, and built anew', () => {
    written();
    const history = openAt(path(), '70f53541-0000-4000-8000-00000000beef');
    expect(history.covered).toBe(0);
    expect(lines).toEqual([
      {
        message: 'the history is thrown away, and built anew from the log',
        fields: { history: path(), why: `its log is ${LOG}, and 70f53541-0000-4000-8000-00000000beef is expected` },
      },
    ]);
    history.close(new Network());
  });

  it('of some VNs has their tables and those of all NVEs, and is thrown away where others are to be kept', () => {
    const open = (...vnids: readonly number[]): History =>
      History.open({ path: path(), logId: LOG, logger, limits: SMALL, vns: { name: vnids.join(), has: (vnid) => vnids.includes(vnid) } });
    const history = open(2);
    const network = new Network();
    take(history, network, log);
    const { position } = log.at(-1)!;
    const kept = [...feedsOf(network)].filter((feed) => history.table(feed, position).length > 0).map(feedKey);
    const due = [...feedsOf(network)].filter(
      (feed) => [...recordsOf(network, feed)].length > 0 && (feed.kind === 'nve' || feed.vnid === 2),
    );
    expect(new Set(kept)).toEqual(new Set(due.map(feedKey)));
    expect(due.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['nve', 'vn']));
    history.close(network);
    const others = open(1);
    expect([others.covered, lines[0]!.fields['why']]).toEqual([0, 'its share of VNs is 2, and 1 is expected']);
    others.close(new Network());
  });

  it('that is no history, or is cut short, is thrown away, and built anew', () => {
    for (const damage of [
      (): Buffer => Buffer.from('a file of somebody else'),
      (bytes: Buffer): Buffer => bytes.subarray(0, 5_000),
      (bytes: Buffer): Buffer => Buffer.concat([Buffer.alloc(100, 7), bytes.subarray(100)]),
    ]) {
      lines = [];
      written();
      writeFileSync(path(), damage(readFileSync(path())));
      const history = openAt(path());
      expect(lines).toHaveLength(1);
      const network = new Network();
      take(history, network, log);
      agrees(history, log, network.position);
      history.close(network);
    }
  });

  /** Whether the damage is found: the file is thrown away when it is opened, or an answer is refused. No answer may be wrong. */
  function isFound(replay: Replay): boolean {
    lines = [];
    const history = openAt(path());
    try {
      for (const [name, feed] of replay.feeds)
        for (const [position, tables] of lines.length > 0 ? [] : replay.tables)
          expect(byKey(history.table(feed, position)), `${name} at ${position}`).toEqual(tables.get(name) ?? new Map());
      return lines.length > 0;
    } catch (error) {
      if (error instanceof HistoryDamaged) return true;
      throw error;
    } finally {
      history.abandon();
      History.remove(path());
    }
  }

  it('with one bit that is another is thrown away, refuses to answer, or answers nothing wrong', () => {
    written();
    const before = readFileSync(path());
    const replay = new Replay(log);
    let found = 0;
    for (let at = 40; at < before.length; at += 211) {
      const bytes = Buffer.from(before);
      bytes[at]! ^= 1 << (at % 8);
      writeFileSync(path(), bytes);
      if (isFound(replay)) found++;
    }
    expect(found).toBeGreaterThan(5);
  });

  it.each([
    ['a block of changes', 'DELETE FROM blocks WHERE rowid = (SELECT max(rowid) FROM blocks WHERE keyframe = 0)'],
    ['a block in the middle', 'DELETE FROM blocks WHERE rowid = (SELECT min(rowid) FROM blocks WHERE keyframe = 0 AND number = 2)'],
    ['a feed', 'DELETE FROM feeds WHERE id = 1'],
    ['the last feed', 'DELETE FROM feeds WHERE id = (SELECT max(feed) FROM blocks)'],
    ['the last run of instants', 'DELETE FROM instants WHERE first = (SELECT max(first) FROM instants)'],
    ['a run of instants', 'DELETE FROM instants WHERE number = 2'],
    ['what is in a block', 'UPDATE blocks SET entries = (SELECT entries FROM blocks WHERE number = 2) WHERE number = 1 AND keyframe = 0'],
    ['the place of a block', 'UPDATE blocks SET first = first + 1 WHERE rowid = 1'],
    ['the name of a feed', "UPDATE feeds SET name = 'vn/77' WHERE id = 1"],
    ['a time', 'UPDATE instants SET earliest = earliest + 1 WHERE number = 2'],
  ])('that has lost, or has wrong, %s does not answer', (_, sql) => {
    written();
    const db = new DatabaseSync(path());
    expect(db.prepare(sql).run().changes).toBeGreaterThan(0);
    db.close();
    expect(isFound(new Replay(log))).toBe(true);
  });

  it('that has lost a keyframe answers by an earlier one', () => {
    written();
    const db = new DatabaseSync(path());
    expect(db.prepare('DELETE FROM blocks WHERE keyframe = 1').run().changes).toBeGreaterThan(0);
    db.close();
    expect(isFound(new Replay(log))).toBe(false);
  });
});
