import type { Audit, NvaEvent } from '@nva/codec';
import { nveStream, STREAM_PREFIX, tsStream, vnStream } from '@nva/identifiers';
import type { Command } from './commands.ts';
import type { Facts } from './facts.ts';
import { tsNameOfCommand, type TenantSystemNames } from './naming.ts';
import { decideNve, evolveNve, type Nve, type NveCommand, type NveEvent } from './nve.decider.ts';
import type { PassAddress } from './passing.ts';
import { decideTenantSystem, type TenantSystemCommand } from './tenant-system.decider.ts';
import { evolveTenantSystem, type TenantSystem, type TenantSystemEvent } from './tenant-system.ts';
import { decideVn, evolveVn, type Vn, type VnCommand, type VnEvent } from './vn.decider.ts';

/**
 * An aggregate: it is decided alone, at the revision of its own stream. What a decision needs to know about others comes as
 * `Facts`.
 *
 * S is its state, C are its commands except those that change two aggregates at once (`passAddress`), and E are its events.
 */
export interface AggregateType<S, C extends { readonly type: string }, E extends { readonly type: string }> {
  /** The prefix of its streams' names. */
  readonly prefix: string;
  /** All of its commands and events: an incomplete list does not compile. */
  readonly commands: Readonly<Record<C['type'], true>>;
  readonly events: Readonly<Record<E['type'], true>>;
  /** The stream for the command's event. Throws Refusal `ts-ambiguous` (see `tsNameOfCommand`, also for `nveId`). */
  streamOf(command: C, names: TenantSystemNames, nveId?: string): string;
  /**
   * The tenant whose view of the facts a command gets: other tenants' objects do not exist in it. null if the facts are
   * everybody's.
   */
  tenantOf(command: C, state: S | null): string | null;
  /** null if nothing would change. Throws Refusal. */
  decide(command: C, state: S | null, facts: Facts, audit: Audit): E | null;
  evolve(state: S | null, event: E): S;
}

const tenantSystem: AggregateType<TenantSystem, TenantSystemCommand, TenantSystemEvent> = {
  prefix: STREAM_PREFIX.ts,
  commands: {
    attach: true,
    detach: true,
    remove: true,
    registerBindings: true,
    registerBinding: true,
    deregisterBinding: true,
    lapseBindings: true,
    changeMac: true,
    connectionFailure: true,
    passAddress: true,
  },
  events: {
    TenantSystemAttached: true,
    TenantSystemMoved: true,
    TenantSystemAttachmentAdded: true,
    TenantSystemAttachmentChanged: true,
    TenantSystemDetached: true,
    TenantSystemRemoved: true,
    BindingsRegistered: true,
    BindingDeregistered: true,
    BindingsLapsed: true,
    MacChanged: true,
    ConnectionFailed: true,
    AddressAwaited: true,
    AddressPassed: true,
  },
  streamOf: (command, names, nveId) => tsStream(tsNameOfCommand(command, names, nveId)),
  tenantOf: (command, state) => (command.type === 'attach' ? command.tenantId : (state?.tenantId ?? '')),
  decide: (command, state, facts, audit) => decideTenantSystem(command as Exclude<TenantSystemCommand, PassAddress>, state, facts, audit),
  evolve: evolveTenantSystem,
};

const vn: AggregateType<Vn, VnCommand, VnEvent> = {
  prefix: STREAM_PREFIX.vn,
  commands: { putVn: true, deleteVn: true, releaseVn: true, purgeVn: true },
  events: { VnCreated: true, VnUpdated: true, VnDeleted: true, VnReleased: true, VnPurged: true },
  streamOf: (command) => vnStream(command.vnid),
  tenantOf: () => null,
  decide: decideVn,
  evolve: evolveVn,
};

const nve: AggregateType<Nve, NveCommand, NveEvent> = {
  prefix: STREAM_PREFIX.nve,
  commands: { connectNve: true, disconnectNve: true, heartbeat: true, lapseNve: true },
  events: { NveConnected: true, NveDisconnected: true, NveLeaseLapsed: true, NveRestored: true, NveForgotten: true },
  streamOf: (command) => nveStream(command.nveId),
  tenantOf: () => null,
  decide: decideNve,
  evolve: evolveNve,
};

/** All aggregates. To add one, add an entry here and the code that folds it. */
export const AGGREGATES = { ts: tenantSystem, vn, nve } as const;

export type Aggregate = keyof typeof AGGREGATES;
export type AggregateState = TenantSystem | Vn | Nve;

const NAMES = Object.keys(AGGREGATES) as readonly Aggregate[];
/** The type for lookups, with any state, command and event. */
type Untyped = AggregateType<AggregateState, Command, NvaEvent>;
const untyped = (name: Aggregate): Untyped => AGGREGATES[name] as unknown as Untyped;

const byCommand = new Map(NAMES.flatMap((name) => Object.keys(AGGREGATES[name].commands).map((type) => [type, name] as const)));
const byEvent = new Map(NAMES.flatMap((name) => Object.keys(AGGREGATES[name].events).map((type) => [type, name] as const)));

export const aggregateOfCommand = (command: Command): Aggregate => byCommand.get(command.type)!;
/** null for an event of the log, the fold or the deadlines of a group. */
export const aggregateOfEvent = (event: NvaEvent): Aggregate | null => byEvent.get(event.type) ?? null;
/** The aggregate of a stream, and the rest of the stream's name; null for a stream of something else. */
export function aggregateOfStream(stream: string): { readonly aggregate: Aggregate; readonly name: string } | null {
  const aggregate = NAMES.find((one) => stream.startsWith(AGGREGATES[one].prefix));
  return aggregate === undefined ? null : { aggregate, name: stream.slice(AGGREGATES[aggregate].prefix.length) };
}

export const isTenantSystemCommand = (command: Command): command is TenantSystemCommand => aggregateOfCommand(command) === 'ts';
export const isVnCommand = (command: Command): command is VnCommand => aggregateOfCommand(command) === 'vn';

export const isTenantSystemEvent = (event: NvaEvent): event is TenantSystemEvent => aggregateOfEvent(event) === 'ts';
export const isVnEvent = (event: NvaEvent): event is VnEvent => aggregateOfEvent(event) === 'vn';
export const isNveEvent = (event: NvaEvent): event is NveEvent => aggregateOfEvent(event) === 'nve';

/** The stream for a command's event. Throws Refusal `ts-ambiguous` (see `tsNameOfCommand`, also for `nveId`). */
export const streamOf = (command: Command, names: TenantSystemNames, nveId?: string): string =>
  untyped(aggregateOfCommand(command)).streamOf(command, names, nveId);

/** The tenant whose view of the facts a command gets; null if the facts are everybody's. */
export const tenantOfCommand = (command: Command, state: AggregateState | null): string | null =>
  untyped(aggregateOfCommand(command)).tenantOf(command, state);

/**
 * The event of a command on its aggregate; null if nothing would change. Not for `passAddress`, which makes two events
 * (`decidePassing`). Throws Refusal.
 */
export const decide = (command: Exclude<Command, PassAddress>, state: AggregateState | null, facts: Facts, audit: Audit): NvaEvent | null =>
  untyped(aggregateOfCommand(command)).decide(command, state, facts, audit);

/** The state after an event. Throws for an event that belongs to no aggregate. */
export function evolve(state: AggregateState | null, event: NvaEvent): AggregateState {
  const aggregate = aggregateOfEvent(event);
  if (aggregate === null) throw new Error(`${event.type} belongs to no aggregate`);
  return untyped(aggregate).evolve(state, event);
}
