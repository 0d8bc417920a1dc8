import { CONTEXT_KEY, mappingKey, memberKey, membershipKey, type Mapping, type VnMember } from '@nva/codec';
import { evolveTenantSystem, isTenantSystemEvent, type TenantSystem } from '@nva/domain';
import { standingOf, type FoldedTs, type Network } from '@nva/fold';
import type { History, HistoryEntry } from '@nva/history';
import { nveStream, tenantsOwnTsName, tsStream, vnStream } from '@nva/identifiers';
import type { FeedName, Position, ReadableLog, RecordedEvent } from '@nva/ports';
import { firstAfter, readStream } from './stream-reading.ts';

/** Events of one stream that an explanation reads: the last ones. Streams are short by design. */
const EVENTS_OF_STREAM = 4_096;
/** A network of more tenant systems is not searched for one that has an address. */
const SEARCHED = 50_000;

export type Address = { readonly mac: string } | { readonly ip: string };

export interface ExplainQuestion {
  readonly vnid: number;
  readonly address: Address;
  /** As seen by this NVE; null: by the NVA. */
  readonly nveId: string | null;
}

/**
 * Why an address is there, or is not.
 *
 * There: `distributed` to every NVE of the VN; `local`: the NVE that is asked for has the tenant system itself.
 *
 * Not there: the VN was `vn-never-created` or is `vn-deleted`; the NVE that is asked for is `nve-not-in-vn`; the address was
 * `never-registered`, or `removed` by an event; or something holds it back: a `duplicate` (another tenant system holds one of its
 * addresses, X2), `orphaned` (registered in an earlier VN of that VNID), `nve-forgotten`, `connection-failed` (R56).
 */
export const REASONS = [
  'distributed',
  'local',
  'vn-never-created',
  'vn-deleted',
  'nve-not-in-vn',
  'never-registered',
  'removed',
  'duplicate',
  'orphaned',
  'nve-forgotten',
  'connection-failed',
] as const;
export type Reason = (typeof REASONS)[number];

/** An event, and what it contributed. */
export interface Contribution {
  readonly event: RecordedEvent;
  /** As names of parts: `VN`, `NVE nve1`, `attachment at nve1`, `registration`, `MAC`, `BID`, `entry`, `removal`, `conflict`. */
  readonly parts: readonly string[];
}

export interface Explanation extends ExplainQuestion {
  readonly position: Position;
  readonly there: boolean;
  readonly reason: Reason;
  /** What the VN distributes for the address, whether the NVE that is asked for has it or not. */
  readonly entries: readonly { readonly mapping: Mapping; readonly position: Position }[];
  /** The NVEs of the entries, as the VN tells of them. */
  readonly members: readonly VnMember[];
  /** In the order of the log. */
  readonly chain: readonly Contribution[];
  /** The tenant system that has, had or wants the address; null if none ever did. */
  readonly tsId: string | null;
  /** Of a `duplicate`: the contested address, and the tenant system that holds it. */
  readonly conflict: { readonly address: string; readonly heldBy: string } | null;
  /** The history was not searched to its beginning, because too much has happened since. */
  readonly isPartial: boolean;
}

export interface ExplainSource {
  readonly log: Pick<ReadableLog, 'readStream' | 'readAt'>;
  readonly ask: <T>(question: (history: History) => T) => T;
  /** The network of that position; asked for only if the history alone does not tell. */
  readonly network: () => Promise<Network>;
}

/** Explains an address at a position. */
export async function explain(source: ExplainSource, question: ExplainQuestion, position: Position): Promise<Explanation> {
  return new Explaining(source, question, position).run();
}

class Explaining {
  readonly #source: ExplainSource;
  readonly #question: ExplainQuestion;
  readonly #position: Position;
  readonly #feed: FeedName;
  /** What events contributed, by position. */
  readonly #parts = new Map<Position, string[]>();
  readonly #events = new Map<Position, RecordedEvent>();
  #isPartial = false;

  constructor(source: ExplainSource, question: ExplainQuestion, position: Position) {
    this.#source = source;
    this.#question = question;
    this.#position = position;
    this.#feed = { kind: 'vn', vnid: question.vnid };
  }

  async run(): Promise<Explanation> {
    const { vnid, address, nveId } = this.#question;
    const vnEvents = await this.#stream(vnStream(vnid));
    if (!this.#record(CONTEXT_KEY)) {
      const deleted = vnEvents.findLast(({ event }) => event.type === 'VnDeleted');
      if (deleted) this.#add(deleted.position, 'removal', deleted);
      return this.#explanation(deleted ? 'vn-deleted' : 'vn-never-created');
    }
    const created = vnEvents.findLast(({ event }) => event.type === 'VnCreated')!;
    this.#add(created.position, 'VN', created);
    const tenantId = created.event.type === 'VnCreated' ? created.event.data.tenantId : '';
    const entries = this.#source.ask((history) => history.resolve(vnid, address, this.#position));
    if (entries.length === 0) return this.#absent(tenantId);
    for (const { mapping, position } of entries) await this.#present(mapping, position, tenantId);
    const nveIds = [...new Set(entries.flatMap(({ mapping }) => mapping.attachments.map((one) => one.nveId)))];
    for (const id of nveIds) await this.#nve(id);
    const found = {
      entries,
      members: nveIds.map((id) => this.#record(memberKey(id))!.value!.data as VnMember),
      tsId: entries[0]!.mapping.tsId,
    };
    if (nveId !== null && nveIds.includes(nveId)) return this.#explanation('local', found);
    if (nveId === null || this.#record(memberKey(nveId))) return this.#explanation('distributed', found);
    const left = this.#source.ask((history) => history.lastChange({ kind: 'nve', nveId }, membershipKey(vnid), this.#position, 'removal'));
    this.#isPartial ||= left === undefined;
    if (left) this.#add(left.position, 'removal');
    return this.#explanation('nve-not-in-vn', found);
  }

  /** What made an entry: its tenant system's registration, and the changes of its record since it came into the table last. */
  async #present(mapping: Mapping, position: Position, tenantId: string): Promise<void> {
    const key = mappingKey(mapping);
    const removed = this.#source.ask((history) => history.lastChange(this.#feed, key, position, 'removal'));
    this.#isPartial ||= removed === undefined;
    const since = removed === undefined ? position - 1 : (removed?.position ?? 0);
    const changes = this.#source.ask((history) => history.changesOf(this.#feed, key, since, position));
    if (removed !== undefined) this.#add(changes[0]!.position, 'entry');
    for (const [part, is] of facetsOf(mapping))
      this.#add(
        becameAt(changes, ({ value }) => is((value as { data: Mapping }).data)),
        part,
      );
    await this.#registered(mapping, tenantId);
  }

  /** When the tenant system came to be attached and bound as the entry says, by its own stream. */
  async #registered({ tsId, attachments, mac, ip, vlan }: Mapping, tenantId: string): Promise<void> {
    await this.#became(tsId, tenantId, [
      ...attachments.map(
        ({ nveId, state }) =>
          [
            `attachment at ${nveId}`,
            (ts: TenantSystem) => ts.attachments.some((one) => one.nveId === nveId && one.state === state),
          ] as const,
      ),
      ['registration', (ts) => ts.bindings.some((one) => one.vnid === this.#question.vnid && one.ip === ip && one.vlan === vlan)],
      ['MAC', (ts) => ts.mac === mac],
    ]);
  }

  /** When parts of a tenant system's state came to be so last. What another one passed to it is not in its own stream. */
  async #became(
    tsId: string,
    tenantId: string,
    parts: readonly (readonly [part: string, is: (ts: TenantSystem) => boolean])[],
  ): Promise<void> {
    const events = await this.#streamOfTs(tsId, tenantId);
    if (events[0]?.revision !== 0) return;
    const states: { readonly position: Position; readonly state: TenantSystem }[] = [];
    let state: TenantSystem | null = null;
    for (const { event, position } of events) {
      if (!isTenantSystemEvent(event)) continue;
      state = evolveTenantSystem(state, event);
      states.push({ position, state });
    }
    for (const [part, is] of parts)
      this.#add(
        becameAt(states, ({ state: ts }) => is(ts)),
        part,
      );
  }

  /** How an NVE came to be reachable, or ceased to be. */
  async #nve(nveId: string): Promise<void> {
    const last = (await this.#stream(nveStream(nveId))).at(-1);
    if (last) this.#add(last.position, `NVE ${nveId}`, last);
  }

  async #absent(tenantId: string): Promise<Explanation> {
    const { vnid, address } = this.#question;
    const network = await this.#source.network();
    const vn = network.vns.get(vnid)!;
    const claimant = ('mac' in address ? vn.macs.claimants(address.mac) : vn.ips.claimants(address.ip))[0];
    // What is needed of the network is read at once: it may go on.
    const held = claimant && heldBack(network, claimant, vnid, address);
    const last = this.#source.ask((history) => history.lastHolder(vnid, address, this.#position));
    this.#isPartial ||= last === undefined;
    const former = last?.value ? (last.value.data as Mapping).tsId : null;
    const orphan = claimant ? undefined : this.#orphan(network, former, tenantId);
    if (last) await this.#removed(last);
    if (held) {
      await this.#became(held.tsId, tenantId, [['registration', (ts) => has(ts, vnid, 'mac' in address ? address.mac : address.ip)]]);
      for (const nveId of held.nveIds) await this.#nve(nveId);
      const { conflict } = held;
      if (conflict) await this.#became(conflict.heldBy, tenantId, [['conflict', (ts) => has(ts, vnid, conflict.address)]]);
      return this.#explanation(held.reason, { tsId: held.tsId, conflict: held.conflict });
    }
    if (orphan) return this.#explanation('orphaned', { tsId: orphan });
    return former ? this.#explanation('removed', { tsId: former }) : this.#explanation('never-registered');
  }

  /** A tenant system that has the address in an earlier VN of the VNID: the last one that had it, or any of a small network. */
  #orphan(network: Network, former: string | null, tenantId: string): string | undefined {
    const { vnid, address } = this.#question;
    const isOrphan = ({ state: { mac, bindings } }: FoldedTs): boolean =>
      bindings.some((one) => one.vnid === vnid && one.vn === null && ('mac' in address ? mac === address.mac : one.ip === address.ip));
    const known = former === null ? undefined : network.namesakes.of(former, tenantId);
    if (known && isOrphan(known)) return known.state.tsId;
    if (network.tenantSystems.size > SEARCHED) {
      this.#isPartial = true;
      return undefined;
    }
    return [...network.tenantSystems.values()].find((ts) => ts.state.tenantId === tenantId && isOrphan(ts))?.state.tsId;
  }

  /** The event by which an entry that had the address was removed, or got another one. */
  async #removed(last: HistoryEntry): Promise<void> {
    const [next] = this.#source.ask((history) => history.changesOf(this.#feed, last.key, last.position, this.#position));
    this.#add(last.position, 'entry');
    if (next) this.#add(next.position, 'removal');
  }

  /** The stream of a VN's tenant system: named by its id, or by its id and its tenant if another tenant had the id first. */
  async #streamOfTs(tsId: string, tenantId: string): Promise<readonly RecordedEvent[]> {
    for (const name of [tsId, tenantsOwnTsName(tsId, tenantId)]) {
      const [first] = await readStream(this.#source.log, tsStream(name), 0, 1);
      if (first?.event.type === 'TenantSystemAttached' && first.event.data.tenantId === tenantId) return this.#stream(tsStream(name));
    }
    return [];
  }

  /** The last events of a stream up to the position. */
  async #stream(stream: string): Promise<readonly RecordedEvent[]> {
    const end = await firstAfter(this.#source.log, stream, this.#position);
    const from = Math.max(0, end - EVENTS_OF_STREAM);
    this.#isPartial ||= from > 0;
    const events = end === 0 ? [] : await readStream(this.#source.log, stream, from, end - from);
    for (const event of events) this.#events.set(event.position, event);
    return events;
  }

  #record(key: string): ReturnType<History['record']> {
    return this.#source.ask((history) => history.record(this.#feed, key, this.#position));
  }

  #add(position: Position | null, part: string, event?: RecordedEvent): void {
    if (position === null) return;
    if (event) this.#events.set(position, event);
    const parts = this.#parts.get(position) ?? [];
    if (!parts.includes(part)) this.#parts.set(position, [...parts, part]);
  }

  async #explanation(
    reason: Reason,
    found: Partial<Pick<Explanation, 'entries' | 'members' | 'tsId' | 'conflict'>> = {},
  ): Promise<Explanation> {
    const chain: Contribution[] = [];
    for (const [position, parts] of [...this.#parts].toSorted(([a], [b]) => a - b))
      chain.push({ event: this.#events.get(position) ?? (await this.#source.log.readAt(position))!, parts });
    return {
      ...this.#question,
      position: this.#position,
      there: reason === 'distributed' || reason === 'local',
      reason,
      entries: [],
      members: [],
      tsId: null,
      conflict: null,
      ...found,
      chain,
      isPartial: this.#isPartial,
    };
  }
}

/** The parts of an entry that may come at different times. */
const facetsOf = (mapping: Mapping): readonly (readonly [part: string, is: (other: Mapping) => boolean])[] => [
  ...mapping.attachments.map(
    ({ nveId, state }) =>
      [`attachment at ${nveId}`, (other: Mapping) => other.attachments.some((one) => one.nveId === nveId && one.state === state)] as const,
  ),
  ['MAC', (other) => other.mac === mapping.mac],
  ...(mapping.bid === null ? [] : [['BID', (other: Mapping) => other.bid === mapping.bid] as const]),
];

/** Whether a tenant system has registered an address in a VN. */
const has = ({ mac, bindings }: TenantSystem, vnid: number, address: string): boolean =>
  bindings.some((one) => one.vnid === vnid && (one.ip === address || mac === address));

/** The position at which something last came to be so, in states in order; null if it never did. */
function becameAt<T extends { readonly position: Position }>(states: readonly T[], is: (state: T) => boolean): Position | null {
  let [at, was]: [Position | null, boolean] = [null, false];
  for (const state of states) {
    const now = is(state);
    if (now && !was) at = state.position;
    was = now;
  }
  return at;
}

interface HeldBack {
  readonly tsId: string;
  readonly reason: Extract<Reason, 'duplicate' | 'nve-forgotten' | 'connection-failed'>;
  readonly nveIds: readonly string[];
  readonly conflict: Explanation['conflict'];
}

/** Why the first claimant of an address is not distributed. */
function heldBack(network: Network, ts: FoldedTs, vnid: number, address: Address): HeldBack {
  const { tsId, mac, attachments, failures, bindings } = ts.state;
  const ips = bindings.filter((one) => one.vnid === vnid && ('mac' in address || one.ip === address.ip)).map(({ ip }) => ip);
  const conflict = standingOf(ts).conflicts.find((one) => one.vnid === vnid && (one.address === mac || ips.includes(one.address)));
  if (conflict) return { tsId, reason: 'duplicate', nveIds: [], conflict: { address: conflict.address, heldBy: conflict.heldBy } };
  const nveIds = attachments.map(({ nveId }) => nveId);
  const hasFailed = attachments.some(
    ({ nveId }) =>
      network.nves.get(nveId)!.known && failures.some((one) => one.nveId === nveId && (one.vnid === null || one.vnid === vnid)),
  );
  return { tsId, reason: hasFailed ? 'connection-failed' : 'nve-forgotten', nveIds, conflict: null };
}
