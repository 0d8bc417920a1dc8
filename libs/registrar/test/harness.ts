import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import type { Command, Quotas } from '@nva/domain';
import { command, underlayOf } from '@nva/domain/testing';
import { SqliteEventStore } from '@nva/event-log';
import { Network } from '@nva/fold';
import { silentLogger, systemTimers, type Clock, type EventStore } from '@nva/ports';
import { Replica } from '@nva/replica';
import type { KeyBounds } from '../src/idempotency.ts';
import { Registrar, DeadlineKeeper, type Answer, type Caller, type Outcome, type Request } from '../src/index.ts';

export class ManualClock implements Clock {
  wall = 1_790_000_000_000;
  monotonic = 1_000;

  /** What is waited for passes as it does in the world. */
  readonly after = systemTimers.after;
  readonly every = systemTimers.every;
  readonly turn = systemTimers.turn;

  wallMs(): number {
    return this.wall;
  }

  monotonicMs(): number {
    return this.monotonic;
  }

  advance(ms: number): void {
    this.wall += ms;
    this.monotonic += ms;
  }
}

export const OPERATOR: Caller = { kind: 'operator', name: 'spec' };

/** A registrar with its own replica over a log that others may write too. */
export interface Node {
  readonly registrar: Registrar;
  readonly replica: Replica;
  readonly deadlines: DeadlineKeeper;
  submit(...commands: Command[]): Promise<Outcome[]>;
  send(request: Partial<Request> & { command: Command }): Promise<Outcome>;
  stop(): Promise<void>;
}

export interface NodeOptions {
  readonly network?: Network;
  readonly keyBounds?: KeyBounds;
  readonly quotas?: Quotas;
}

export async function startNode(
  store: EventStore,
  clock: Clock,
  { network = new Network(), keyBounds, quotas }: NodeOptions = {},
): Promise<Node> {
  const replica = new Replica(store, silentLogger, { network });
  const registrar = new Registrar(store, replica, clock, silentLogger, { ...(quotas && { quotas }), ...(keyBounds && { keyBounds }) });
  const deadlines = new DeadlineKeeper(registrar, replica, clock, silentLogger);
  await replica.start((cause) => {
    throw cause;
  });
  const complete = (request: Partial<Request> & { command: Command }): Request => ({ caller: OPERATOR, correlationId: 'spec', ...request });
  return {
    registrar,
    replica,
    deadlines,
    submit: (...commands) => registrar.submit(commands.map((c) => complete({ command: c }))),
    send: async (request) => (await registrar.submit([complete(request)]))[0]!,
    stop: async () => {
      await deadlines.stop();
      await replica.stop();
    },
  };
}

export interface LogFixture {
  readonly store: EventStore;
  reopen(): Promise<EventStore>;
  dispose(): Promise<void>;
}

export async function openLog(clock: Clock): Promise<LogFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'nva-registrar-'));
  let store = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock });
  return {
    store,
    async reopen() {
      await store.close();
      store = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock });
      return store;
    },
    async dispose() {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}

export function answer(outcome: Outcome | undefined): Answer {
  if (!outcome || 'refusal' in outcome) throw outcome?.refusal ?? new Error('no outcome');
  return outcome.answer;
}

export const code = (outcome: Outcome | undefined): string => (outcome && 'refusal' in outcome ? outcome.refusal.code : 'accepted');

export const vn = (vnid: number, tenantId = 'red'): Command =>
  command('putVn', { vnid, tenantId, name: `VN${vnid}`, service: 'l3', encapsulation: 'vxlan' });
export const nve = (nveId: string, fields: object = {}): Command =>
  command('connectNve', { nveId, siteId: 's', mac: '02:00:00:00:0a:01', addresses: [underlayOf(nveId)], incarnation: 1, ...fields });
export const attach = (tsId: string, nveId: string, n: number, fields: object = {}): Command =>
  command('attach', {
    tsId,
    nveId,
    tenantId: 'red',
    vmId: `vm-${tsId}`,
    mac: `02:00:00:00:00:0${n}`,
    bindings: [{ vnid: 1, ip: `192.0.2.${n}` }],
    ...fields,
  });
export const detach = (tsId: string, nveId: string): Command => command('detach', { tsId, nveId });
