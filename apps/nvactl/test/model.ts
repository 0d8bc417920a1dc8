import type { Audit, NvaEvent } from '@nva/codec';
import { parseLine, type ParsedCommand } from '@nva/commands';
import {
  AGGREGATES,
  aggregateOfCommand,
  decidePassing,
  evolveTaker,
  evolveTenantSystem,
  type Facts,
  type PassAddress,
  type TenantSystem,
} from '@nva/domain';
import type { Nve, TenantSystem as ShownTenantSystem, Vn } from '../src/api/answers.ts';
import type { Line, Present } from '../src/apply/plan.ts';

const AUDIT: Audit = { actor: 'operator:local', correlationId: 'c', idempotencyKey: null, recordedAt: 0 } as unknown as Audit;

interface Stream<S> {
  readonly state: S;
  readonly revision: number;
}

type VnState = ReturnType<typeof AGGREGATES.vn.evolve>;
type NveState = ReturnType<typeof AGGREGATES.nve.evolve>;

/** The NVA's own deciders over maps: what the NVA would answer to the lines of an apply, without log, fold and HTTP. */
export class ModelNva {
  readonly #streams = new Map<string, Stream<VnState | NveState | TenantSystem>>();
  /** How many commands changed something. */
  events = 0;

  /** Throws Refusal. */
  give(line: Line): void {
    // As it goes over the wire.
    const parsed = parseLine(JSON.parse(JSON.stringify(line))) as ParsedCommand;
    const { command, ifRevision } = parsed;
    if (command.type === 'passAddress') return this.#pass(command, line, ifRevision);
    const aggregate = AGGREGATES[aggregateOfCommand(command)] as unknown as {
      decide(command: unknown, state: unknown, facts: Facts, audit: Audit): NvaEvent | null;
      evolve(state: unknown, event: NvaEvent): TenantSystem;
    };
    const name = nameOf(line);
    const stream = this.#streams.get(name);
    if (ifRevision !== undefined && ifRevision !== (stream?.revision ?? -1))
      throw new Error(`${name} is at ${stream?.revision}, not ${ifRevision}`);
    const event = aggregate.decide(command, stream?.state ?? null, this.#facts, AUDIT);
    if (!event) return;
    this.events++;
    this.#streams.set(name, { state: aggregate.evolve(stream?.state ?? null, event), revision: (stream?.revision ?? -1) + 1 });
  }

  /** One change, of two tenant systems. */
  #pass(command: PassAddress, line: Line, ifRevision: number | undefined): void {
    const names = [nameOf(line), `ts/${String(line['tenantId'])}/${command.to}`] as const;
    const [holder, taker] = names.map((name) => this.#streams.get(name)!) as [Stream<TenantSystem>, Stream<TenantSystem>];
    if (ifRevision !== undefined && ifRevision !== holder.revision)
      throw new Error(`${names[0]} is at ${holder.revision}, not ${ifRevision}`);
    const pair = { holder: holder.state, revision: holder.revision, taker: taker.state, toRevision: taker.revision };
    const passing = decidePassing(command, pair, this.#facts, AUDIT);
    if (!passing) return;
    this.events++;
    this.#streams.set(names[0], { state: evolveTenantSystem(holder.state, passing.passed), revision: holder.revision + 1 });
    this.#streams.set(names[1], { state: evolveTaker(taker.state, passing.passed), revision: taker.revision + 1 });
  }

  present(): Present {
    const vns = new Map<number, Vn>();
    const nves = new Map<string, Nve>();
    const tenantSystems = new Map<string, ShownTenantSystem>();
    for (const [name, { state, revision }] of this.#streams) {
      if (name.startsWith('vn/')) {
        const vn = state as VnState;
        if (vn.status === 'alive') vns.set(vn.vnid, { ...vn, context: vn.policies, revision } as unknown as Vn);
      } else if (name.startsWith('nve/')) {
        const nve = state as NveState;
        nves.set(nve.nveId, { ...nve, reachable: nve.status === 'reachable', memberships: [], revision } as unknown as Nve);
      } else {
        const ts = state as TenantSystem;
        tenantSystems.set(`${ts.tenantId}/${ts.tsId}`, { ...ts, orphaned: [], conflicts: [], revision } as unknown as ShownTenantSystem);
      }
    }
    return { vns, nves, tenantSystems };
  }

  get #facts(): Facts {
    const { vns, nves, tenantSystems } = this.present();
    const all = [...tenantSystems.values()].filter(({ attachments }) => attachments.length > 0);
    return {
      vn: (vnid) => vns.get(vnid) as unknown as ReturnType<Facts['vn']>,
      nveKnown: (nveId) => nves.has(nveId) && nves.get(nveId)!.status !== 'forgotten',
      nveDisconnected: (nveId) => nves.get(nveId)?.status === 'disconnected',
      nveNamedLike: () => undefined,
      tunnelHolder: () => undefined,
      holder: (vnid, kind, address) =>
        all.find((ts) => ts.bindings.some((one) => one.vnid === vnid && (kind === 'mac' ? ts.mac === address : one.ip === address))),
      orphaned: () => false,
      vnInUse: (vnid) => all.some(({ bindings }) => bindings.some((one) => one.vnid === vnid)),
      attachmentsAt: (nveId) => all.filter(({ attachments }) => attachments.some((one) => one.nveId === nveId)).length,
    };
  }
}

function nameOf(line: Line): string {
  if (line['tsId'] !== undefined) return `ts/${String(line['tenantId'])}/${String(line['tsId'])}`;
  return line['vnid'] === undefined ? `nve/${String(line['nveId'])}` : `vn/${String(line['vnid'])}`;
}
