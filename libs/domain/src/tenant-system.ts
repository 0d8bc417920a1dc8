import type { Attachment, Audit, Binding, NvaEvent } from '@nva/codec';
import { Refusal } from '@nva/identifiers';
import { sameAddress } from './bindings.ts';

/** More moves than MOVE_ALARM_MOVES within this window raise an alarm (X9, RFC 7432 section 15.1). */
export const MOVE_ALARM_WINDOW_MS = 180_000;
export const MOVE_ALARM_MOVES = 5;

/** A tenant system: one vNIC of one VM (R1). Without attachments it is detached, and has no bindings. */
export interface TenantSystem {
  readonly tsId: string;
  readonly tenantId: string;
  readonly vmId: string;
  readonly mac: string;
  readonly attachments: readonly Attachment[];
  readonly bindings: readonly Binding[];
  /** VNs that cannot be reached through an NVE (R56); vnid null means all VNs. */
  readonly failures: readonly ConnectionFailure[];
  /** Never decreases, also across detachments. */
  readonly mobility: number;
  /** Times of its last moves, ms since the epoch, oldest first; only those within the alarm window. */
  readonly moves: readonly number[];
  /** Its place, if that is not just the first of `attachments` (`placeOf`). */
  readonly place: readonly string[] | null;
  /** The passing that its last event waits for: the tenant system `from` passes something at that revision of its own stream. */
  readonly awaits: { readonly from: string; readonly revision: number } | null;
}

/**
 * Its place: the NVEs that it was at when its last move was counted, as far as it is still there; for a detached one, where it
 * was. It moves when it is attached and is at none of these any more, whichever commands caused that (RFC 7432 section 7.7). So
 * adding a second NVE is no move, and leaving the first one then is.
 */
export const placeOf = ({ place, attachments }: Pick<TenantSystem, 'place' | 'attachments'>): readonly string[] =>
  place ?? (attachments.length === 0 ? NONE : [attachments[0]!.nveId]);

export interface ConnectionFailure {
  readonly nveId: string;
  readonly vnid: number | null;
}

export type TenantSystemEvent = Extract<
  NvaEvent,
  {
    type:
      | 'TenantSystemAttached'
      | 'TenantSystemMoved'
      | 'TenantSystemAttachmentAdded'
      | 'TenantSystemAttachmentChanged'
      | 'TenantSystemDetached'
      | 'TenantSystemRemoved'
      | 'BindingsRegistered'
      | 'BindingDeregistered'
      | 'BindingsLapsed'
      | 'MacChanged'
      | 'ConnectionFailed'
      | 'AddressAwaited'
      | 'AddressPassed';
  }
>;

export type AddressAwaited = Extract<NvaEvent, { type: 'AddressAwaited' }>;
export type AddressPassed = Extract<NvaEvent, { type: 'AddressPassed' }>;

export const NONE: readonly never[] = Object.freeze([]);

export function attachedOrRefuse(ts: TenantSystem | null, tsId: string, field = 'tsId'): TenantSystem {
  if (!ts) throw new Refusal('ts-unknown', `there is no tenant system ${tsId}`, { field, received: tsId });
  if (ts.attachments.length === 0)
    throw new Refusal('ts-not-attached', `tenant system ${tsId} is attached nowhere`, { field, received: tsId });
  return ts;
}

/** Those of the moves that are in the alarm window. */
export function movesWithin(moves: readonly number[], now: number): readonly number[] {
  return moves.filter((at) => at > now - MOVE_ALARM_WINDOW_MS && at <= now).slice(-MOVE_ALARM_MOVES);
}

/**
 * The state after an event. A binding that the event does not change stays the same object, and `attachments`, `bindings` and
 * `failures` stay the same arrays if nothing in them changed. The fold relies on identity to skip what did not change.
 */
export function evolveTenantSystem(ts: TenantSystem | null, event: TenantSystemEvent): TenantSystem {
  const next = evolve(ts, event);
  return next.awaits === null || event.type === 'AddressAwaited' ? next : { ...next, awaits: null };
}

function evolve(ts: TenantSystem | null, event: TenantSystemEvent): TenantSystem {
  if (event.type === 'TenantSystemAttached') {
    const { audit, tsId, tenantId, vmId, mac, attachment, bindings, mobility } = event.data;
    const moves = ts === null ? NONE : movesAfter(ts, mobility, audit);
    return { tsId, tenantId, vmId, mac, attachments: [attachment], bindings, failures: NONE, mobility, moves, place: null, awaits: null };
  }
  if (!ts) throw new Error(`${event.type} of a tenant system that was never attached`);
  switch (event.type) {
    case 'TenantSystemMoved': {
      const { attachment, mobility, audit } = event.data;
      return {
        ...placed(ts, event.data),
        attachments: [attachment],
        failures: NONE,
        mobility,
        moves: movesAfter(ts, mobility, audit),
        place: null,
      };
    }
    case 'TenantSystemAttachmentAdded':
      return { ...placed(ts, event.data), attachments: [...ts.attachments, event.data.attachment] };
    case 'TenantSystemAttachmentChanged': {
      const { attachment } = event.data;
      const next = placed(ts, event.data);
      return {
        ...next,
        attachments: ts.attachments.map((a) => (a.nveId === attachment.nveId ? attachment : a)),
        failures: without(next.failures, (f) => f.nveId === attachment.nveId),
      };
    }
    case 'TenantSystemDetached': {
      const { nveId, audit } = event.data;
      const attachments = ts.attachments.filter((a) => a.nveId !== nveId);
      if (attachments.length === 0) return detached(ts);
      const mobility = event.data.mobility ?? ts.mobility;
      return {
        ...ts,
        attachments,
        failures: without(ts.failures, (f) => f.nveId === nveId),
        mobility,
        moves: movesAfter(ts, mobility, audit),
        place: placeAfter(ts, attachments),
      };
    }
    case 'TenantSystemRemoved':
      return detached(ts);
    case 'BindingsRegistered':
      return withBindings(ts, mergeBindings(ts.bindings, event.data.bindings, event.data.deregistered));
    case 'BindingDeregistered':
      return withBindings(
        ts,
        ts.bindings.filter((b) => (b.bid ?? 0) !== event.data.bid),
      );
    case 'BindingsLapsed':
      return withBindings(
        ts,
        ts.bindings.filter((b) => !event.data.bids.includes(b.bid ?? 0)),
      );
    case 'MacChanged':
      return { ...ts, mac: event.data.mac };
    case 'ConnectionFailed': {
      const { nveId, vnid } = event.data;
      const kept = vnid === null ? without(ts.failures, (f) => f.nveId === nveId) : ts.failures;
      return { ...ts, failures: [...kept, { nveId, vnid }] };
    }
    case 'AddressAwaited': {
      const { from, revision } = event.data;
      return { ...ts, awaits: from === null ? null : { from, revision } };
    }
    case 'AddressPassed':
      return evolveHolder(ts, event);
  }
}

const placed = (ts: TenantSystem, data: { readonly mac: string | null; readonly bindings: readonly Binding[] | null }): TenantSystem => ({
  ...(data.bindings ? withBindings(ts, data.bindings) : ts),
  mac: data.mac ?? ts.mac,
});

const detached = (ts: TenantSystem): TenantSystem => ({ ...ts, attachments: NONE, bindings: NONE, failures: NONE, place: placeOf(ts) });

/** Every increment of the sequence is a move. */
const movesAfter = (ts: TenantSystem, mobility: number, { recordedAt }: Audit): readonly number[] =>
  mobility > ts.mobility ? [...movesWithin(ts.moves, recordedAt), recordedAt] : ts.moves;

/** Removes the NVEs that it has left from its place. If it has left all of them, its place is where it is now. */
function placeAfter(ts: TenantSystem, attachments: readonly Attachment[]): readonly string[] | null {
  const here = attachments.map((a) => a.nveId);
  const stayed = placeOf(ts).filter((nveId) => here.includes(nveId));
  const place = stayed.length === 0 ? here : stayed;
  return place.length === 1 && place[0] === here[0] ? null : place;
}

/** Connection failures of VNs that it left are removed together with its bindings there. */
export function withBindings(ts: TenantSystem, bindings: readonly Binding[]): TenantSystem {
  const failures = without(ts.failures, (f) => f.vnid !== null && !bindings.some((b) => b.vnid === f.vnid));
  return { ...ts, bindings, failures };
}

/**
 * A line replaces the binding with its BID (at most one has none), or else the one with its VN and address. No decision gives two
 * bindings one address. But a decision made on a lapse that later turned out to be void may name the address of another binding;
 * that binding is then replaced too.
 */
export function mergeBindings(before: readonly Binding[], lines: readonly Binding[], deregistered: readonly number[]): readonly Binding[] {
  const result = before.filter((b) => !deregistered.includes(b.bid ?? 0));
  for (const line of lines) {
    const byBid = result.findIndex((b) => b.bid === line.bid);
    const at = byBid === -1 ? result.findIndex((b) => sameAddress(b, line)) : byBid;
    if (at === -1) result.push(line);
    else result[at] = line;
    const twin = result.findIndex((b) => b !== line && sameAddress(b, line));
    if (twin !== -1) result.splice(twin, 1);
  }
  return result;
}

const without = <T>(list: readonly T[], drop: (item: T) => boolean): readonly T[] =>
  list.some(drop) ? list.filter((item) => !drop(item)) : list;

/** Both sides of a passing (`decidePassing`). */
export const evolveHolder = (ts: TenantSystem, { data }: AddressPassed): TenantSystem =>
  passed(ts, data.mac, data.bindings, data.deregistered);
export const evolveTaker = (ts: TenantSystem, { data }: AddressPassed): TenantSystem => passed(ts, data.toMac, data.toBindings, NONE);

const passed = (ts: TenantSystem, mac: string | null, bindings: readonly Binding[], deregistered: readonly number[]): TenantSystem => ({
  ...withBindings(ts, mergeBindings(ts.bindings, bindings, deregistered)),
  mac: mac ?? ts.mac,
  awaits: null,
});

/**
 * Whether the tenant system, whose last event is at `revision`, awaits this event, which is at revision `passedAt` of the
 * holder's stream.
 */
export function isAwaited(
  { data }: AddressPassed,
  passedAt: number,
  taker: TenantSystem | undefined,
  revision: number | undefined,
): boolean {
  const awaits = taker?.awaits;
  return revision === data.toRevision && awaits?.from === data.tsId && awaits.revision === passedAt;
}
