import { NveClient } from '@nva/nve';
import { ScriptedTransport, SCRIPTED_LOG, type ScriptedFeed } from '@nva/nve/testing';
import type { FeedRecord } from '@nva/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contents, expected } from './reference.ts';
import { compacted, historyOf, lastPosition, OWN, VNID, type History } from './vn-lives.ts';

/** What comes next to the client. Each does nothing where there is nothing of it. */
const STEPS = [
  'own feed',
  'VN feed',
  'VN feed',
  'VN feed is read',
  'VN feed is read where it lags',
  'VN feed breaks',
  'VN feed resumes',
  'own feed is read anew',
] as const;
type Step = (typeof STEPS)[number];

/** A client that is told a history by two feeds, neither of which waits for the other. */
class Telling {
  readonly transport = new ScriptedTransport();
  readonly client = new NveClient({ nveId: OWN, transport: this.transport });
  readonly told: string[] = [];
  readonly #history: History;
  readonly #keepRemovals: boolean;
  /** How many changes each feed has told so far. Where the VN's feed was read anew it may stand further back than it has been. */
  #vn = 1;
  #furthestVn = 1;
  #lags = 0;
  #own = 1;
  #served: ScriptedFeed | null = null;
  #broken = false;
  /** What is left of a resume. */
  #catchUp: FeedRecord[] = [];
  /** `key@position`: how often it came to be shown. */
  readonly #shown = new Map<string, number>();
  #before = new Set<string>();
  /** As an agent has it that knows the reports only. */
  readonly #programmed = new Map<string, unknown>();

  constructor(history: History, keepRemovals: boolean) {
    this.#history = history;
    this.#keepRemovals = keepRemovals;
    this.client.on('change', ({ cause, changes }) => {
      this.told.push(`${cause} ${changes.map(({ key, before, after }) => `${before ? (after ? '~' : '-') : '+'}${key}`).join(' ')}`);
      for (const { key, before, after } of changes) {
        expect(this.#programmed.get(key) ?? null).toEqual(before);
        if (after === null) this.#programmed.delete(key);
        else this.#programmed.set(key, after);
      }
      this.#look();
    });
    for (const event of ['joined', 'left', 'rejoined'] as const) this.client.on(event, () => this.told.push(event));
    this.client.start();
    this.transport.nve(OWN).restart().records(history.own[0]!).complete();
    this.#read();
    this.#look();
  }

  step(step: Step): void {
    const { vn, own } = this.#history;
    if (step === 'own feed' && this.#own < own.length) this.#tellOwn(own[this.#own++]!);
    else if (step === 'VN feed' && this.#catchUp.length > 0) this.#goOnCatchingUp();
    else if (step === 'VN feed' && this.#vn < vn.length && !this.#broken) {
      const change = vn[this.#vn++]!;
      this.#feed()?.records(change);
    } else if (step === 'VN feed is read') this.#read();
    else if (step === 'VN feed is read where it lags') this.#read(3);
    else if (step === 'VN feed breaks' && this.#catchUp.length === 0 && this.#feed() && !this.#broken) {
      this.#broken = true;
      this.#feed()!.interrupted();
    } else if (step === 'VN feed resumes' && this.#broken) this.#resume(vn.length);
    else if (step === 'own feed is read anew') {
      const read = own.slice(0, this.#own);
      this.transport
        .nve(OWN)
        .restart()
        .records(this.#keepRemovals ? compacted(read) : compacted(read).filter(({ value }) => value !== null))
        .complete();
    }
    this.#check();
  }

  finish(): void {
    while (this.#catchUp.length > 0) this.step('VN feed');
    if (this.#broken) this.step('VN feed resumes');
    while (this.#catchUp.length > 0) this.step('VN feed');
    this.step('VN feed is read');
    for (let left = this.#history.vn.length - this.#vn; left > 0; left--) this.step('VN feed');
    for (let left = this.#history.own.length - this.#own; left > 0; left--) this.step('own feed');
    this.step('VN feed is read');
    const all = expected(this.#history.vn.flat());
    const isIn = all.entries.some(([key]) => key === `member/${OWN}`);
    expect(this.client.table(VNID) && contents(this.client.table(VNID)!)).toEqual(isIn ? all : null);
    expect([...this.client.memberships.keys()]).toEqual(isIn ? [VNID] : []);
    expect(this.client.memberships.get(VNID)?.since ?? null).toBe(isIn ? lastPosition(this.#history.own) : null);
    expect(this.client.applied()).toEqual(
      isIn ? [{ vnid: VNID, log: SCRIPTED_LOG, position: String(lastPosition(this.#history.vn)), digest: all.digest }] : [],
    );
    expect(this.client.doubts()).toEqual([]);
    expect(this.transport.openCount({ kind: 'vn', vnid: VNID })).toBe(isIn ? 1 : 0);
  }

  /** The VN's feed, if the client follows it and has been answered. */
  #feed(): ScriptedFeed | null {
    return this.#served && !this.#served.closed ? this.#served : null;
  }

  #read(lag = 0): void {
    if (this.transport.openCount({ kind: 'vn', vnid: VNID }) === 0) return;
    const feed = this.transport.vn(VNID);
    if (feed === this.#served) return;
    this.#served = feed;
    this.#broken = false;
    this.#catchUp = [];
    this.#vn = Math.max(1, this.#vn - lag);
    if (lag > 0) this.#lags++;
    const read = this.#history.vn.slice(0, this.#vn);
    const records = compacted(read).filter(({ value }) => this.#keepRemovals || value !== null);
    feed.restart().records(records);
    if (!feed.closed) feed.complete({ log: SCRIPTED_LOG, position: lastPosition(read) });
  }

  /** All that there is so far comes as from a compacted feed, the own feed's records possibly in between. */
  #resume(upTo: number): void {
    this.#broken = false;
    const missed = this.#history.vn.slice(this.#vn, Math.min(upTo, this.#vn + 5));
    this.#vn += missed.length;
    this.#feed()?.resumed().resuming();
    this.#catchUp = compacted(missed);
    if (missed.length === 0) this.#feed()?.complete();
  }

  #goOnCatchingUp(): void {
    const feed = this.#feed();
    const record = this.#catchUp.shift()!;
    feed?.records([record]);
    if (this.#catchUp.length === 0) feed?.complete({ log: SCRIPTED_LOG, position: lastPosition(this.#history.vn.slice(0, this.#vn)) });
  }

  #tellOwn(records: readonly FeedRecord[]): void {
    const table = this.client.table(VNID);
    const [before, reports] = [table && contents(table), this.told.length];
    // A table that is read beside the one that forwards may say already that this NVE is in the VN no longer.
    const isBehind = (table?.ownPosition ?? 0) >= records.at(-1)!.position && this.client.status()[0]?.state !== 'incomplete';
    this.transport.nve(OWN).records(records);
    if (!isBehind) return;
    // The table had come further than what the own feed tells: nothing of it may move.
    expect(this.told.slice(reports).filter((line) => line !== 'rejoined')).toEqual([]);
    expect(contents(this.client.table(VNID)!)).toEqual(before);
  }

  /** What is shown at this moment, and what came to be shown since the last look. */
  #look(): void {
    const now = new Set([...(this.client.table(VNID)?.entries() ?? [])].map(([key, , position]) => `${key}@${position}`));
    for (const entry of now) if (!this.#before.has(entry)) this.#shown.set(entry, (this.#shown.get(entry) ?? 0) + 1);
    this.#before = now;
  }

  #check(): void {
    this.#look();
    this.#furthestVn = Math.max(this.#furthestVn, this.#vn);
    const { vn, own, ends, deletions } = this.#history;
    const [vnAt, ownAt] = [lastPosition(vn.slice(0, this.#furthestVn)), lastPosition(own.slice(0, this.#own))];
    const entries = [...(this.client.table(VNID)?.entries() ?? [])];

    // The own feed has told that the NVE is in no VN: nothing is left to forward by, but what the VN's feed has of a later stay.
    const isMember = own[this.#own - 1]!.at(-1)!.value !== null;
    const table = this.client.table(VNID);
    if (!isMember && table) expect(table.ownPosition).toBeGreaterThan(this.#keepRemovals ? ownAt : 0);
    // Both feeds have told it, and the client has read both: nothing is left at all.
    const isKeptUp = this.#catchUp.length === 0 && !this.#broken && this.#feed() !== null && this.#vn === this.#furthestVn;
    const isIn = expected(vn.slice(0, this.#vn).flat()).entries.some(([key]) => key === `member/${OWN}`);
    if (!isMember && !isIn && isKeptUp) expect(table).toBeNull();
    // Nothing of a VN that is over by both feeds.
    for (const deletion of deletions.filter((at) => at <= vnAt && at <= ownAt && isKeptUp))
      expect(entries.filter(([, , position]) => position < deletion)).toEqual([]);
    // Shown again only what is of the VN, or of one before it, that a stay was in which has ended, by whichever feed said so first;
    // to a client
    // that has left a VN, a feed that lags may tell a whole stay once more.
    for (const [entry, times] of this.#shown) {
      const position = Number(entry.slice(entry.lastIndexOf('@') + 1));
      const left = ends.filter(
        (end) => end <= Math.max(ownAt, vnAt) && !deletions.some((deletion) => end < deletion && deletion < position),
      );
      expect([entry, times]).toEqual([entry, Math.min(times, 1 + left.length + this.#lags)]);
    }
    // A digest is the VN's at the position that it is told with.
    for (const { position, digest } of this.client.applied())
      expect([position, digest]).toEqual([position, expected(vn.flat().filter((record) => record.position <= Number(position))).digest]);
    const held = new Map(entries.map(([key, value]) => [key, value.data]));
    expect(held).toEqual(this.#programmed);
  }
}

/** Leave, the others too, deleted, made again, the others, and this NVE again. */
const AGAIN = [0, 1, 2, 3, 5, 4];
const picks = fc
  .array(
    fc.oneof(
      fc.nat({ max: 7 }).map((pick) => [pick]),
      fc.constant(AGAIN),
      fc.constant(AGAIN.slice(0, 5)),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((parts) => parts.flat());
const run = fc
  .tuple(fc.constantFrom<Step>('VN feed', 'own feed'), fc.integer({ min: 2, max: 8 }))
  .map(([step, times]) => Array<Step>(times).fill(step));
const steps = fc
  .array(
    fc.oneof(
      fc.constantFrom(...STEPS).map((step) => [step]),
      run,
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.flat());

describe('an NVE’s own feed and a VN’s feed, neither of which waits for the other', () => {
  it('whatever the VN lives through and however the two are woven, broken and read anew: nothing of a VN that is over by both, nothing new shown twice, the fold’s table at the end, and true digests all the way (X1, X6, R46)', () => {
    fc.assert(
      fc.property(picks, steps, fc.boolean(), (picked, stepped, keepRemovals) => {
        const telling = new Telling(historyOf(picked), keepRemovals);
        for (const step of stepped) telling.step(step);
        telling.finish();
      }),
      { numRuns: 2_000 },
    );
  });

  const again = historyOf(AGAIN);

  it.each<[string, readonly Step[]]>([
    ['the VN’s feed first, live', ['VN feed', 'VN feed', 'VN feed', 'VN feed', 'VN feed', 'VN feed', 'own feed', 'own feed']],
    ['the VN’s feed first, by a resume', ['VN feed breaks', 'VN feed resumes', ...Array<Step>(12).fill('VN feed'), 'own feed', 'own feed']],
    [
      'the VN’s feed half way by a resume, then the own feed',
      ['VN feed breaks', 'VN feed resumes', 'VN feed', 'VN feed', 'VN feed', 'own feed', 'own feed', 'VN feed is read'],
    ],
    [
      'the VN’s feed up to the new VN, then the own feed',
      ['VN feed', 'VN feed', 'VN feed', 'VN feed', 'VN feed', 'own feed', 'own feed', 'VN feed is read', 'VN feed'],
    ],
    ['the own feed first', ['own feed', 'own feed', 'VN feed is read', 'VN feed', 'VN feed', 'VN feed', 'VN feed', 'VN feed', 'VN feed']],
  ])('a re-made VN is shown once: %s', (_, told) => {
    const telling = new Telling(again, true);
    for (const step of told) telling.step(step);
    telling.finish();
    // Once at first, and once again: as gained, or where the change is told as one, as another than before.
    expect([telling.told, telling.told.filter((line) => /[+~]mapping\/vm1/.test(line)).length]).toEqual([expect.anything(), 2]);
  });
});
