import type { Answer } from '@nva/registrar';
import { FeedDigests, Network, Recompute, feedsOf, recordsOf, standingOf, type TableValue } from '@nva/fold';
import { feedValue } from '@nva/distributor';
import { membershipKey } from '@nva/codec';
import { feedKey, type FeedName, type FeedRecord, type Position, type RecordedEvent } from '@nva/ports';
import { tsNameOf } from '@nva/identifiers';
import { rightName, topicName, type SimBrokers } from './sim-brokers.ts';
import { EPOCH_MS } from './process-clock.ts';
import type { SimLog } from './sim-log.ts';
import type { World } from './world.ts';

/** The system has broken a promise. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** Number of heartbeats that are remembered for each NVE. */
const MAX_BEATS = 8;

interface Moment {
  readonly position: Position;
  /** Canonical text of the value; null if the key was removed. */
  readonly value: string | null;
}

/** The result that a caller got for its command. */
export interface Told {
  readonly key: string;
  readonly answer: Answer | null;
  /** The code of a refusal. */
  readonly refusal: string | null;
  /** The command was sent once, and no message of it was lost. */
  readonly untroubled: boolean;
}

/** A heartbeat. */
interface Beat {
  readonly sentMs: number;
  /** Only the registrar itself can prevent this heartbeat: there is one registrar, and the link loses nothing. */
  readonly unhindered: boolean;
  /** It was answered, and changed nothing. */
  answered: boolean;
}

/**
 * The omniscient observer: folds the log as it becomes durable, and compares what the system says and does with that fold. Keeps
 * the first broken promise.
 */
export class Judge {
  readonly #log: SimLog;
  readonly #brokers: SimBrokers;
  readonly #world: World;
  readonly #clocksAreRight: boolean;
  network = new Network();
  digests = new FeedDigests();
  /** Feed → key → its values in order, over all lives of the log. */
  readonly #moments = new Map<string, Map<string, Moment[]>>();
  /** VNID → the positions at which it was created, ascending, and its tenant from then on. */
  readonly #incarnations = new Map<number, { readonly position: Position; readonly tenantId: string }[]>();
  /** `vnid tenant` → NVEs that were ever in that VN of that tenant. */
  readonly #everIn = new Map<string, Set<string>>();
  /** By Idempotency-Key: the positions of its events that count, and whether they were effective. */
  readonly #recorded = new Map<string, { readonly position: Position; readonly effective: boolean | null }[]>();
  readonly #told: Told[] = [];
  /**
   * Keys of commands whose message the network delivered twice: a command that was refused first may have been done the second
   * time.
   */
  readonly #twice = new Set<string>();
  readonly #beats = new Map<string, Beat[]>();
  #lostPositions: Position = Infinity;
  /** Keys of commands that a restore removed from the log. */
  readonly #taken = new Set<string>();
  /** Whether events that happened before are being folded again. */
  #again = false;
  #broken: Broken | null = null;
  checks = 0;

  constructor(log: SimLog, brokers: SimBrokers, world: World, clocksAreRight = true) {
    this.#clocksAreRight = clocksAreRight;
    this.#log = log;
    this.#brokers = brokers;
    this.#world = world;
    log.onDurable((recorded) => this.#fold(recorded));
  }

  get broken(): Broken | null {
    return this.#broken;
  }

  breaks(promise: string): void {
    this.#broken ??= new Broken(`at ${this.#world.nowMs} ms: ${promise}`);
  }

  /** The network has delivered a command twice. */
  askedAgain(key: string): void {
    this.#twice.add(key);
  }

  /** A caller has got the result of its command; it is judged at the end (`judgeTold`). */
  told(told: Told): void {
    this.#told.push(told);
  }

  /** A heartbeat is sent. The returned function tells that it was answered, without an event. */
  beats(nveId: string, unhindered: boolean): () => void {
    const beats = this.#beats.get(nveId) ?? [];
    const beat: Beat = { sentMs: this.#world.nowMs, unhindered, answered: false };
    beats.push(beat);
    if (beats.length > MAX_BEATS) beats.shift();
    this.#beats.set(nveId, beats);
    return () => (beat.answered = true);
  }

  /**
   * The log was restored to an earlier state: its lost keys may rightly be withdrawn, and results that callers got before stay
   * valid.
   */
  restored(): void {
    const before = this.network;
    for (const [key, places] of this.#recorded) if (places.some(({ position }) => position > this.#log.head)) this.#taken.add(key);
    this.#lostPositions = Math.min(this.#lostPositions, this.#log.head);
    this.#recorded.clear();
    this.network = new Network();
    this.digests = new FeedDigests();
    this.#again = true;
    for (const recorded of this.#log.events) this.#fold(recorded);
    this.#again = false;
    for (const feed of feedsOf(before)) {
      const now = new Set([...recordsOf(this.network, feed)].map(({ key }) => key));
      for (const { key } of recordsOf(before, feed)) if (!now.has(key)) this.#moment(feed, key, null, this.#log.head);
    }
  }

  /** Brokers have delivered a record to an NVE: the NVE must have been in the VN when that belonged to the record's tenant. */
  delivered(nveId: string, feed: FeedName, record: FeedRecord): void {
    if (feed.kind !== 'vn' || this.#lostPositions < Infinity) return;
    this.checks++;
    const tenantId = this.#incarnations.get(feed.vnid)?.findLast(({ position }) => position <= record.position)?.tenantId;
    if (!this.#everIn.get(`${feed.vnid} ${tenantId}`)?.has(nveId))
      this.breaks(
        `NVE ${nveId} was handed ${record.key} at ${record.position} of VN ${feed.vnid} of tenant ${tenantId}, for which it never was there`,
      );
  }

  /** An entry of an NVE's table has changed. */
  shown(nveId: string, vnid: number, key: string, before: unknown, after: unknown): void {
    this.checks++;
    const moments = this.#moments.get(`vn/${vnid}`)?.get(key) ?? [];
    if (after !== null && !moments.some(({ value }) => value === text(after)))
      return this.breaks(`NVE ${nveId} shows ${key} of VN ${vnid} as ${text(after)}, which it never was`);
    if (after !== null) return;
    const from = moments.findIndex(({ value }) => value === text(before));
    if (!moments.slice(from + 1).some(({ value }) => value === null))
      this.breaks(`NVE ${nveId} withdrew ${key} of VN ${vnid}, ${text(before)}, and nothing had ended it`);
  }

  /** An NVE has left a VN: a record must have ended its membership. */
  left(nveId: string, vnid: number, since: Position): void {
    this.checks++;
    const moments = this.#moments.get(`nve/${nveId}`)?.get(membershipKey(vnid)) ?? [];
    if (!moments.some(({ position, value }) => value === null && position >= since) && this.#lostPositions === Infinity)
      this.breaks(`NVE ${nveId} left VN ${vnid}, in which it is since ${since}, and nothing had ended that`);
  }

  /** A registrar has judged a table that an NVE reports as applied. */
  verdict(nveId: string, vnid: number, verdict: string): void {
    this.checks++;
    // Entries that a restore removed stay in tables until the loss is detected.
    if (verdict === 'differs' && this.#lostPositions === Infinity)
      this.breaks(`NVE ${nveId} holds another table of VN ${vnid} than the fold`);
  }

  /** Judges all results that callers got; these do not depend on time. */
  judgeTold(): void {
    for (const { key, answer, refusal, untroubled } of this.#told) {
      this.checks++;
      const places = this.#recorded.get(key) ?? [];
      if (places.length > 1)
        this.breaks(`command ${key} is in the log ${places.length} times, at ${places.map(({ position }) => position).join(', ')}`);
      if (this.#taken.has(key) || (answer && answer.position > this.#lostPositions)) continue;
      if (answer?.recorded && places[0]?.position !== answer.position)
        this.breaks(
          `command ${key} was acknowledged at ${answer.position}, and is ${places[0] ? `at ${places[0].position}` : 'not in the log'}`,
        );
      if (answer?.recorded && places[0] && places[0].effective !== null && places[0].effective !== answer.effective)
        this.breaks(`command ${key} was said to be ${answer.effective ? '' : 'not '}effective at ${answer.position}, and was not so`);
      if (refusal !== null && untroubled && !this.#twice.has(key) && places.length > 0)
        this.breaks(`command ${key} was refused (${refusal}), and is in the log at ${places[0]!.position}`);
    }
  }

  /** The first difference from the final state; null if there is none. `nves` are the views of the NVEs. */
  unsettled(nves: readonly NveView[], rights: boolean): string | null {
    const feeds = new Map(
      [...feedsOf(this.network), ...[...this.#brokers.topics.values()].map(({ feed }) => feed)].map((feed) => [feedKey(feed), feed]),
    );
    for (const feed of feeds.values()) {
      const wrong = this.#feedDifference(feed);
      if (wrong) return wrong;
    }
    for (const { nveId, memberships, tables, doubted, unread } of nves) {
      const due = [...(this.network.nves.get(nveId)?.memberships.keys() ?? [])].toSorted();
      // Nothing ends a doubt about a VN that is gone together with its topic, nor about a VN of which nothing was ever read
      // (docs/design/feeds, «What a doubt waits for»).
      const counted = memberships.filter(
        (vnid) => !doubted.includes(vnid) || (this.network.vns.get(vnid)?.alive === true && !unread.includes(vnid)),
      );
      if (String(due) !== String(counted.toSorted()))
        return `NVE ${nveId} is in VNs ${memberships.join(', ')}, and should be in ${due.join(', ')}`;
      for (const [vnid, digest] of tables) {
        if (!due.includes(vnid)) continue;
        const wanted = this.digests.current(`vn/${vnid}`).digest;
        if (digest !== wanted) return `NVE ${nveId} has digest ${digest} of VN ${vnid}, and should have ${wanted}`;
      }
    }
    return rights ? this.#rightsDifference() : null;
  }

  /** Computes the tables again, by brute force. */
  recompute(): void {
    const naive = new Recompute();
    for (const recorded of this.#log.events) naive.apply(recorded);
    for (const feed of feedsOf(this.network)) {
      const own = new Map([...recordsOf(this.network, feed)].map(({ key, value, position }) => [key, text({ value, position })]));
      const theirs = new Map(
        [...(naive.tables.get(feedKey(feed)) ?? [])].map(([key, { value, position }]) => [key, text({ value, position })]),
      );
      for (const key of new Set([...own.keys(), ...theirs.keys()]))
        if (own.get(key) !== theirs.get(key))
          this.breaks(`the two folds differ in ${feedKey(feed)}: ${key} is ${own.get(key)} and ${theirs.get(key)}`);
    }
  }

  #feedDifference(feed: FeedName): string | null {
    const table = this.#brokers.table(topicName(feed));
    const due = new Map<string, string>();
    for (const { key, value, position } of recordsOf(this.network, feed))
      due.set(key, text({ position, value: feedValue(value, { address: (of) => ({ topic: topicName(of) }) }) }));
    for (const [key, record] of table) {
      const found = text({ position: record.position, value: record.value });
      if (due.get(key) !== found || record.log !== this.#log.logId)
        return `${feedKey(feed)}: ${key} is ${found}, and should be ${due.get(key)}`;
    }
    for (const [key, wanted] of due) if (!table.has(key)) return `${feedKey(feed)}: ${key} is not there, and should be ${wanted}`;
    return null;
  }

  #rightsDifference(): string | null {
    const due = new Set<string>();
    for (const { nveId, known, feed, memberships } of this.network.nves.values()) {
      if (known) due.add(rightName(nveId, feed));
      for (const { vn } of memberships.values()) due.add(rightName(nveId, vn.feed));
    }
    const lacking = [...due].find((right) => !this.#brokers.rights.has(right));
    if (lacking) return `the right ${lacking} is not there`;
    const surplus = [...this.#brokers.rights].find((right) => !due.has(right));
    return surplus ? `the right ${surplus} is there, and nothing is due to it` : null;
  }

  #fold(recorded: RecordedEvent): void {
    const { event, position, stream } = recorded;
    const changes = this.network.apply(recorded);
    this.digests.apply(position, changes);
    if (event.type === 'VnCreated')
      this.#incarnations.set(event.data.vnid, [
        ...(this.#incarnations.get(event.data.vnid) ?? []),
        { position, tenantId: event.data.tenantId },
      ]);
    for (const { feed, key, value } of changes) {
      this.#moment(feed, key, value, position);
      if (feed.kind === 'nve' && value?.type === 'Membership') this.#joined(feed.nveId, value.data.vnid);
    }
    // Lapses of a superseded owner are void. A lapse that was decided long ago may be appended late; if clocks jump, the time of the
    // decision is unknown.
    if (event.type === 'NveLeaseLapsed' && !this.#again && !this.network.passedOver && this.#clocksAreRight)
      this.#lapsed(event.data.nveId, event.data.audit.recordedAt - EPOCH_MS);
    const { idempotencyKey } = event.data.audit;
    if (idempotencyKey === null || event.type === 'AddressAwaited' || (event.type === 'AddressPassed' && this.network.passedOver)) return;
    const ts = event.type === 'AddressPassed' ? undefined : this.network.tenantSystems.get(tsNameOf(stream) ?? '');
    this.#recorded.set(idempotencyKey, [
      ...(this.#recorded.get(idempotencyKey) ?? []),
      { position, effective: ts ? standingOf(ts).effective : null },
    ]);
  }

  #moment(feed: FeedName, key: string, value: TableValue | null, position: Position): void {
    const name = feedKey(feed);
    const keys = this.#moments.get(name) ?? new Map<string, Moment[]>();
    this.#moments.set(name, keys);
    const moments = keys.get(key) ?? [];
    keys.set(key, moments);
    moments.push({ position, value: value && text(value.data) });
  }

  #joined(nveId: string, vnid: number): void {
    const name = `${vnid} ${this.#incarnations.get(vnid)?.at(-1)?.tenantId}`;
    this.#everIn.set(name, (this.#everIn.get(name) ?? new Set()).add(nveId));
  }

  /**
   * A lease may lapse only if the NVE was not heard. It must not lapse if heartbeats were answered, nor if the NVE sent them in
   * vain because the registrar was busy, stopped or absent.
   */
  #lapsed(nveId: string, atMs: number): void {
    this.checks++;
    const leaseMs = (this.network.nves.get(nveId)?.state?.leaseS ?? 0) * 1_000;
    const since = atMs - leaseMs;
    const beats = (this.#beats.get(nveId) ?? []).filter(
      ({ sentMs, answered, unhindered }) => sentMs > since && sentMs <= atMs && (answered || unhindered),
    );
    if (beats.length >= 3) this.breaks(`the lease of NVE ${nveId} ran out after ${leaseMs} ms in which it sent ${beats.length} heartbeats`);
  }
}

export interface NveView {
  readonly nveId: string;
  readonly memberships: readonly number[];
  /** VNs about which the NVE's own feed says nothing any more. */
  readonly doubted: readonly number[];
  /** VNs whose table the NVE has never read completely. */
  readonly unread: readonly number[];
  /** VNID → digest; null while the table is incomplete. */
  readonly tables: readonly (readonly [vnid: number, digest: string | null])[];
}

/** Plain data as text, equal for equal data. */
export const text = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
