import type { Audit, NvaEvent } from '@nva/codec';
import {
  nveIdAlike,
  nveIdOnKafka,
  nveStream,
  oracleStream,
  Refusal,
  tsNameOf,
  tsStream,
  vnStream,
  type RefusalCode,
} from '@nva/identifiers';
import {
  aggregateOfEvent,
  decide,
  evolve,
  isNveEvent,
  isTenantSystemEvent,
  isVnEvent,
  streamOf,
  type AggregateState,
} from '../aggregates.ts';
import type { Command } from '../commands.ts';
import type { Facts } from '../facts.ts';
import { takersName, type NamedTenantSystem, type TenantSystemNames } from '../naming.ts';
import type { Nve } from '../nve.decider.ts';
import { decidePassing, type PassAddress } from '../passing.ts';
import { evolveTaker, isAwaited, type TenantSystem } from '../tenant-system.ts';
import type { Vn } from '../vn.decider.ts';

/** Audit fields for specs: constant except for the time. */
export const auditAt = (recordedAt: number): Audit => ({
  recordedAt,
  actor: 'operator:spec',
  correlationId: 'spec',
  idempotencyKey: null,
  requestDigest: null,
});

/** The exact state of every aggregate, by stream: the deciders' view of a log. */
export class Aggregates implements TenantSystemNames {
  readonly states = new Map<string, AggregateState>();
  readonly #revisions = new Map<string, number>();

  /** The stream that a command is about. */
  streamFor(command: Command): string {
    return streamOf(command, this);
  }

  tenantOf(name: string): string | undefined {
    return (this.states.get(tsStream(name)) as TenantSystem | undefined)?.tenantId;
  }

  hasNamesakes(tsId: string): boolean {
    return this.all(tsId).some(({ name }) => name !== tsId);
  }

  all(tsId: string): readonly NamedTenantSystem[] {
    return this.tenantSystems().filter(({ ts }) => ts.tsId === tsId);
  }

  tenantSystems(): readonly NamedTenantSystem[] {
    return [...this.states].flatMap(([stream, state]) =>
      tsNameOf(stream) === undefined ? [] : [{ name: tsNameOf(stream)!, ts: state as TenantSystem }],
    );
  }

  revision(stream: string): number {
    return this.#revisions.get(stream) ?? -1;
  }

  /** The events of a command, in order, each with its stream: none, one, or the two of a passing. */
  decide(command: Command, facts: Facts, audit: Audit): readonly Decided[] {
    if (command.type === 'passAddress') return this.#decidePassing(command, facts, audit);
    const stream = this.streamFor(command);
    const state = this.states.get(stream) ?? null;
    const event = decide(command, state, facts, audit);
    return event ? [{ stream, event }] : [];
  }

  #decidePassing(command: PassAddress, facts: Facts, audit: Audit): readonly Decided[] {
    const stream = this.streamFor(command);
    const toStream = tsStream(takersName(command, this, undefined));
    const pair = {
      holder: this.#tenantSystem(stream),
      revision: this.revision(stream),
      taker: this.#tenantSystem(toStream),
      toRevision: this.revision(toStream),
    };
    const passing = decidePassing(command, pair, facts, audit);
    return passing
      ? [
          { stream: toStream, event: passing.awaited },
          { stream, event: passing.passed },
        ]
      : [];
  }

  #tenantSystem(stream: string): TenantSystem | null {
    return (this.states.get(stream) as TenantSystem | undefined) ?? null;
  }

  /** Applies an event to its stream, and returns the name of the stream. */
  evolve(event: NvaEvent, stream = streamOfEvent(event)): string {
    const state = this.states.get(stream) ?? null;
    this.#revisions.set(stream, this.revision(stream) + 1);
    if (event.type === 'AddressPassed') {
      const { tenantId } = state as TenantSystem;
      const toStream = tsStream(this.all(event.data.to).find(({ ts }) => ts.tenantId === tenantId)!.name);
      const taker = this.#tenantSystem(toStream)!;
      if (!isAwaited(event, this.revision(stream), taker, this.revision(toStream))) return stream;
      this.states.set(toStream, evolveTaker(taker, event));
    }
    if (aggregateOfEvent(event) !== null) this.states.set(stream, evolve(state, event));
    return stream;
  }
}

export interface Decided {
  readonly stream: string;
  readonly event: NvaEvent;
}

/** Correct unless another tenant used the tenant system's id first. */
export const streamOfEvent = (event: NvaEvent): string => {
  if (isTenantSystemEvent(event)) return tsStream(event.data.tsId);
  if (isVnEvent(event)) return vnStream(event.data.vnid);
  if (isNveEvent(event)) return nveStream(event.data.nveId);
  if (event.type === 'LogRenewed') return 'log';
  return event.type === 'OracleTookOver' ? oracleStream(event.data.group) : 'fold';
};

/** A small world for given/when/then: every command sees everything before it. */
export class World {
  readonly aggregates = new Aggregates();
  now = 1_790_000_000_000;

  /** Executes commands that must be accepted. */
  given(...commands: Command[]): this {
    for (const command of commands) if (!this.when(command)) throw new Error(`given ${command.type} changes nothing`);
    return this;
  }

  /** The event of the command (for a passing, the one that counts); null if it changes nothing. Applies it to the world. */
  when(command: Command): NvaEvent | null {
    const decided = this.aggregates.decide(command, this.facts, auditAt(this.now));
    for (const { stream, event } of decided) this.aggregates.evolve(event, stream);
    return decided.at(-1)?.event ?? null;
  }

  /** The code of the command's refusal; the world does not change. */
  refusal(command: Command): RefusalCode | { accepted: NvaEvent | null } {
    try {
      return { accepted: this.aggregates.decide(command, this.facts, auditAt(this.now)).at(-1)?.event ?? null };
    } catch (error) {
      if (error instanceof Refusal) return error.code;
      throw error;
    }
  }

  state<S extends AggregateState>(stream: string): S {
    return this.aggregates.states.get(stream) as S;
  }

  readonly facts: Facts = {
    vn: (vnid) => {
      const state = this.aggregates.states.get(vnStream(vnid)) as Vn | undefined;
      return state?.status === 'alive' ? state : undefined;
    },
    nveKnown: (nveId) => {
      const nve = this.aggregates.states.get(nveStream(nveId)) as Nve | undefined;
      return nve !== undefined && nve.status !== 'forgotten';
    },
    nveDisconnected: (nveId) => (this.aggregates.states.get(nveStream(nveId)) as Nve | undefined)?.status === 'disconnected',
    nveNamedLike: (nveId) => {
      const known = (stream: string): boolean =>
        nveIdOnKafka(stream) === nveIdOnKafka(nveStream(nveId)) || (this.aggregates.states.get(stream) as Nve).status !== 'forgotten';
      const like = (stream: string): boolean =>
        stream !== nveStream(nveId) && nveIdAlike(stream) === nveIdAlike(nveStream(nveId)) && known(stream);
      return [...this.aggregates.states.keys()].find(like)?.slice(nveStream('').length);
    },
    tunnelHolder: (address, nveId) => {
      const holds = (state: AggregateState): boolean =>
        'siteId' in state && state.nveId !== nveId && state.status === 'reachable' && state.addresses.includes(address);
      return ([...this.aggregates.states.values()].find(holds) as Nve | undefined)?.nveId;
    },
    holder: (vnid, kind, address) =>
      this.#tenantSystems().find((ts) =>
        ts.bindings.some((b) => b.vnid === vnid && (kind === 'mac' ? ts.mac === address : b.ip === address)),
      ),
    orphaned: (_ts, vnid) => this.facts.vn(vnid) === undefined,
    vnInUse: (vnid) => this.#tenantSystems().some((ts) => ts.bindings.some((b) => b.vnid === vnid)),
    attachmentsAt: (nveId) => this.#tenantSystems().filter((ts) => ts.attachments.some((a) => a.nveId === nveId)).length,
  };

  #tenantSystems(): TenantSystem[] {
    return this.aggregates.tenantSystems().map(({ ts }) => ts);
  }
}

/** Commands from plain data, so that specs can write ids and addresses without parsing them. */
export const command = <C extends Command['type']>(type: C, fields: Record<string, unknown>): Command =>
  ({ type, ...fields }) as unknown as Command;

/** A distinct underlay address for each NVE of a spec, as long as their ids differ in one character. */
export const underlayOf = (nveId: string): string =>
  `198.51.100.${([...nveId].reduce((sum, character) => sum + character.charCodeAt(0), 0) % 250) + 1}`;
