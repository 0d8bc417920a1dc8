import type { Mapping, VnContext } from '@nva/codec';
import { evolveTenantSystem, isTenantSystemEvent, type TenantSystem } from '@nva/domain';
import type { TableRecord } from '@nva/fold';
import type { History } from '@nva/history';
import { VnTable, type Resolution } from '@nva/nve';
import type { Position, ReadableLog } from '@nva/ports';
import type { Address } from './explain.ts';

export interface TraceQuestion {
  /** The tenant system that sends, and its stream. */
  readonly from: string;
  readonly stream: string;
  readonly to: Address;
  /** null: the VN is found by what the sender is in. */
  readonly vnid: number | null;
}

/** One step of a packet's way, and what was decided there. */
export type Step =
  /** The sender hands the packet to its NVE, or cannot. */
  | {
      readonly step: 'source';
      readonly tsId: string;
      readonly nveId: string | null;
      readonly decision: 'sent' | 'dropped';
      readonly why: string;
    }
  /** An NVE looks the address up in its table of the VN. */
  | {
      readonly step: 'lookup';
      readonly nveId: string;
      readonly decision: 'local' | 'tunnel' | 'flooded' | 'dropped';
      readonly why: string;
      /** The entry by which it decides; null if it has none. */
      readonly entry: { readonly key: string; readonly mapping: Mapping; readonly position: Position } | null;
    }
  | {
      readonly step: 'tunnel';
      readonly fromNve: string;
      readonly toNve: string;
      /** Underlay addresses; null where the VN does not tell one. */
      readonly source: string | null;
      readonly destination: string | null;
      readonly vnid: number;
      readonly encapsulation: VnContext['encapsulation'];
      /** The other NVE is known to be reachable. */
      readonly reachable: boolean;
    }
  | { readonly step: 'delivery'; readonly nveId: string; readonly tsId: string };

export interface Trace {
  readonly vnid: number | null;
  /** VNs that it might be in, if the sender is in several and the question names none. */
  readonly candidates: readonly number[];
  readonly outcome: 'delivered' | 'flooded' | 'dropped';
  readonly steps: readonly Step[];
}

export interface TraceSource {
  readonly log: Pick<ReadableLog, 'logId' | 'readStream'>;
  readonly ask: <T>(question: (history: History) => T) => T;
  /** The VNs in which the address is looked for; in all, unless given. */
  readonly inVn?: (vnid: number) => boolean;
}

/**
 * A packet's way from a tenant system to an address at a position, decided at each NVE by the very tables and code that NVEs decide
 * with, as the NVA told them by then.
 */
export async function trace(source: TraceSource, { from, stream, to, vnid: given }: TraceQuestion, position: Position): Promise<Trace> {
  const { inVn = () => true } = source;
  const sender = await stateOf(source, stream, position);
  const vnids = [...new Set(sender?.bindings.map(({ vnid }) => vnid))].toSorted((a, b) => a - b);
  const tables = new Map(
    (given === null ? vnids : [given]).map((vnid) => [vnid, inVn(vnid) ? ownTable(source, vnid, sender?.tenantId, position) : []] as const),
  );
  const having = [...tables].filter(([, records]) => records.some(({ value }) => value?.type === 'Mapping' && has(value.data, to)));
  const [vnid, ...others] = given === null && tables.size > 1 ? having.map(([id]) => id) : [...tables.keys()];
  if (vnid === undefined || others.length > 0) {
    if (vnids.length === 0) return unsent(from, null, 'it is in no VN');
    return { vnid: null, candidates: others.length > 0 ? [vnid!, ...others] : vnids, outcome: 'dropped', steps: [] };
  }
  return new Tracing(source.log.logId, vnid, tables.get(vnid)!, to).run(from);
}

/** The table of a VN; empty if the VN is not of that tenant: it may be another one's by now, with a tenant system of the same id. */
function ownTable({ ask }: TraceSource, vnid: number, tenantId: string | undefined, position: Position): readonly TableRecord[] {
  const records = ask((history) => history.table({ kind: 'vn', vnid }, position));
  return records.some(({ value }) => value?.type === 'VnContext' && value.data.tenantId === tenantId) ? records : [];
}

const has = (mapping: Mapping, to: Address): boolean => ('mac' in to ? mapping.mac === to.mac : mapping.ip === to.ip);

const unsent = (tsId: string, vnid: number | null, why: string, nveId: string | null = null): Trace => ({
  vnid,
  candidates: [],
  outcome: 'dropped',
  steps: [{ step: 'source', tsId, nveId, decision: 'dropped', why }],
});

/** The state of a tenant system at a position, by its own stream; null if it had never been attached. */
async function stateOf({ log }: TraceSource, stream: string, upTo: Position): Promise<TenantSystem | null> {
  let state: TenantSystem | null = null;
  for await (const { event, position } of log.readStream(stream)) {
    if (position > upTo) break;
    if (isTenantSystemEvent(event)) state = evolveTenantSystem(state, event);
  }
  return state;
}

class Tracing {
  readonly #logId: string;
  readonly #vnid: number;
  readonly #records: readonly TableRecord[];
  readonly #to: Address;
  readonly #steps: Step[] = [];

  constructor(logId: string, vnid: number, records: readonly TableRecord[], to: Address) {
    this.#logId = logId;
    this.#vnid = vnid;
    this.#records = records;
    this.#to = to;
  }

  run(from: string): Trace {
    const own = this.#records.flatMap(({ value }) => (value?.type === 'Mapping' && value.data.tsId === from ? [value.data] : []));
    if (own.length === 0) return unsent(from, this.#vnid, `the VN has no entry of it`);
    const nveId = own.flatMap(({ attachments }) => attachments).find(({ state }) => state === 'activated')?.nveId;
    if (nveId === undefined) return unsent(from, this.#vnid, 'it is only associated, and its NVE does not forward for it yet (X5)');
    this.#steps.push({ step: 'source', tsId: from, nveId, decision: 'sent', why: `it is attached there` });
    return this.#ingress(nveId);
  }

  #ingress(nveId: string): Trace {
    const table = this.#tableAt(nveId);
    const found = table.resolve(this.#to);
    if (!found) return this.#unknown(nveId, table);
    if (found.outcome === 'local') return this.#deliver(nveId, table, found);
    if (found.outcome === 'unresolved') return this.#drop(nveId, table, found, UNRESOLVED[found.reason]);
    const { via, tunnel } = found;
    this.#steps.push({
      step: 'lookup',
      nveId,
      decision: 'tunnel',
      why: `${found.mapping.tsId} is at ${via.nveId}`,
      entry: entryOf(table, found),
    });
    this.#steps.push({
      step: 'tunnel',
      fromNve: nveId,
      toNve: via.nveId,
      source: table.members.get(nveId)?.addresses[0] ?? null,
      destination: tunnel.addresses[0] ?? null,
      vnid: tunnel.vnid,
      encapsulation: tunnel.encapsulation,
      reachable: via.reachable,
    });
    const there = this.#tableAt(via.nveId);
    const arrived = there.resolve(this.#to);
    if (arrived?.outcome === 'local') return this.#deliver(via.nveId, there, arrived);
    return this.#drop(via.nveId, there, arrived, 'it does not have the tenant system itself, and sends nothing back into the overlay');
  }

  /** Nobody has the address: frames to a MAC are flooded (X3); the owner of an IP is asked for by a broadcast, in an L2 VN only. */
  #unknown(nveId: string, table: VnTable): Trace {
    const isL2 = table.context?.service === 'l2';
    if (!isL2) return this.#drop(nveId, table, null, 'nobody has the address, and nothing is flooded in an L3 VN');
    const others = table.replicationList().map((member) => member.nveId);
    const why =
      others.length === 0
        ? 'nobody has the address, and the VN has no other NVE'
        : `nobody has the address: ${'mac' in this.#to ? 'the frame goes' : 'the question who has it goes'} to every other NVE of the VN, ${others.join(', ')} (X3)`;
    this.#steps.push({ step: 'lookup', nveId, decision: 'flooded', why, entry: null });
    return this.#ended('flooded');
  }

  #deliver(nveId: string, table: VnTable, found: Resolution): Trace {
    const { tsId } = found.mapping;
    this.#steps.push({ step: 'lookup', nveId, decision: 'local', why: `it has ${tsId} itself (R52)`, entry: entryOf(table, found) });
    this.#steps.push({ step: 'delivery', nveId, tsId });
    return this.#ended('delivered');
  }

  #drop(nveId: string, table: VnTable, found: Resolution | null, why: string): Trace {
    this.#steps.push({ step: 'lookup', nveId, decision: 'dropped', why, entry: found && entryOf(table, found) });
    return this.#ended('dropped');
  }

  #ended(outcome: Trace['outcome']): Trace {
    return { vnid: this.#vnid, candidates: [], outcome, steps: this.#steps };
  }

  /** The table of an NVE, made of the VN's records as an NVE makes it. */
  #tableAt(nveId: string): VnTable {
    const table = new VnTable(this.#vnid, nveId);
    table.hold();
    for (const { key, value, position } of this.#records)
      if (value && value.type !== 'Membership') table.add({ key, value, position, log: this.#logId, changeEnd: false });
    table.release();
    return table;
  }
}

const UNRESOLVED = {
  'not-activated': 'the tenant system is only associated wherever it is, and nobody forwards for it yet (X5)',
  'member-missing': 'the VN does not tell how its NVE is reached',
  'context-missing': 'the VN does not tell its encapsulation',
} as const;

const entryOf = (table: VnTable, { key, mapping }: Resolution) => ({ key, mapping, position: table.positionOf(key)! });

/** A trace as sentences, one for each step. */
export function traceSentences({ vnid, candidates, steps }: Trace, { from, to }: Pick<TraceQuestion, 'from' | 'to'>): readonly string[] {
  const name = 'mac' in to ? to.mac : to.ip;
  if (vnid === null && steps.length === 0)
    return [`${from} is in the VNs ${candidates.join(', ')}, and ${name} may be of any of them: say which.`];
  return steps.map((step) => {
    switch (step.step) {
      case 'source':
        return step.decision === 'sent'
          ? `${step.tsId} sends to ${name} in VN ${vnid}; it is attached at ${step.nveId}.`
          : `${step.tsId} cannot send to ${name}${vnid === null ? '' : ` in VN ${vnid}`}: ${step.why}.`;
      case 'lookup':
        return `${step.nveId} looks ${name} up: ${step.decision}, since ${step.why}${step.entry ? ` (entry of position ${step.entry.position})` : ''}.`;
      case 'tunnel':
        return `${step.fromNve} sends it to ${step.toNve} by ${step.encapsulation}, from ${step.source ?? 'an unknown address'} to ${step.destination ?? 'an unknown address'}, VNID ${step.vnid}${step.reachable ? '' : `; ${step.toNve} is not known to be reachable (X6)`}.`;
      case 'delivery':
        return `${step.nveId} hands it to ${step.tsId}.`;
    }
  });
}
