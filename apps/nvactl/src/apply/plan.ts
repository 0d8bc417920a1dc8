import { sameBindings, wholeSet, type BindingLine } from '@nva/domain';
import { Refusal } from '@nva/identifiers';
import { isDeepStrictEqual } from 'node:util';
import type { Binding, Nve, Policies, TenantSystem, Vn } from '../api/answers.ts';
import { bindingText } from '../output/columns.ts';
import type { DesiredAttachment, DesiredNve, DesiredTenantSystem, DesiredVn, Manifest } from './manifest.ts';

/** A line of POST /v1/commands. */
export interface Line {
  readonly command: string;
  readonly [field: string]: unknown;
}

export type Sign = '+' | '~' | '-';

/** One command, and what it is for. */
export interface Step {
  readonly sign: Sign;
  readonly action: string;
  /** `vn/100`, `nve/leaf-1`, `ts/vm1`. */
  readonly object: string;
  /** What differs, in words. */
  readonly what: string;
  readonly line: Line;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** What no command can bring about, such as another service of a VN. */
  readonly impossible: readonly string[];
}

/** What there is, by name. */
export interface Present {
  readonly vns: ReadonlyMap<number, Vn>;
  readonly nves: ReadonlyMap<string, Nve>;
  /** By `nameOf`. */
  readonly tenantSystems: ReadonlyMap<string, TenantSystem>;
}

export interface Pruning {
  /** Only VNs and tenant systems of that tenant, and no NVEs. */
  readonly tenant?: string;
}

export const nameOf = ({ tenantId, tsId }: { readonly tenantId: string; readonly tsId: string }): string => `${tenantId}/${tsId}`;

const NO_POLICIES: Policies = { access: {}, tunnel: {} };

/**
 * The commands that make what there is into what there should be, in an order in which each finds what it needs: VNs and NVEs
 * first, then what is pruned of tenant systems, then those that only give addresses up, then the rest; VNs and NVEs that are pruned
 * last. The first command about a VN or a tenant system names the revision that the plan was made of.
 */
export function planOf(manifest: Manifest, present: Present, pruning: Pruning | null): Plan {
  const impossible: string[] = [];
  const vns = (manifest.vns ?? []).flatMap((vn) => vnSteps(vn, present.vns.get(vn.vnid), impossible));
  const nves = (manifest.nves ?? []).flatMap((nve) => nveSteps(nve, present.nves.get(nve.nveId)));
  const systems = (manifest.tenantSystems ?? []).map((ts) => tenantSystemSteps(ts, present.tenantSystems.get(nameOf(ts)), impossible));
  const pruned = pruning ? pruneSteps(manifest, present, pruning) : { tenantSystems: [], others: [] };
  const [releasing, others] = [systems.filter(({ releases }) => releases), systems.filter(({ releases }) => !releases)];
  return {
    steps: [...vns, ...nves, ...pruned.tenantSystems, ...[...releasing, ...others].flatMap(({ steps }) => steps), ...pruned.others],
    impossible,
  };
}

function vnSteps(desired: DesiredVn, vn: Vn | undefined, impossible: string[]): readonly Step[] {
  const { vnid, tenantId, name, service, encapsulation, context } = desired;
  const object = `vn/${vnid}`;
  const line: Line = { command: 'putVn', ...desired };
  if (!vn) return [{ sign: '+', action: 'create', object, what: `${name} of ${tenantId}, ${service} over ${encapsulation}`, line }];
  if (vn.tenantId !== tenantId) impossible.push(`${object} is of tenant ${vn.tenantId} and never of another`);
  if (vn.service !== service) impossible.push(`${object} has service ${vn.service} and never another`);
  const changes = [
    ...changed('name', vn.name, name),
    ...changed('encapsulation', vn.encapsulation, encapsulation),
    ...(context && !isDeepStrictEqual({ ...NO_POLICIES, ...vn.context }, { ...NO_POLICIES, ...context }) ? ['policies'] : []),
  ];
  if (changes.length === 0 || vn.tenantId !== tenantId || vn.service !== service) return [];
  return [{ sign: '~', action: 'change', object, what: changes.join(', '), line: { ...line, ifRevision: vn.revision } }];
}

function nveSteps(desired: DesiredNve, nve: Nve | undefined): readonly Step[] {
  const { nveId, siteId, mac, addresses, incarnation, leaseS } = desired;
  const object = `nve/${nveId}`;
  // What a file leaves out stays as it is; a connect notification without a lease would end it.
  const lease = leaseS ?? nve?.leaseS ?? undefined;
  const line: Line = { command: 'connectNve', ...desired, ...(lease !== undefined && { leaseS: lease }) };
  if (!nve || nve.status === 'forgotten')
    return [{ sign: '+', action: 'connect', object, what: `${addresses.join(', ')} in ${siteId}`, line }];
  const changes = [
    ...changed('site', nve.siteId, siteId),
    ...changed('MAC', nve.mac, mac),
    ...changed('addresses', nve.addresses.join(' '), addresses.join(' ')),
    ...(leaseS === undefined ? [] : changed('lease', String(nve.leaseS ?? 'none'), String(leaseS))),
    ...(incarnation === undefined ? [] : changed('incarnation', String(nve.incarnation), String(incarnation))),
    ...(nve.status === 'disconnected' ? ['connects again'] : []),
  ];
  return changes.length === 0 ? [] : [{ sign: '~', action: 'change', object, what: changes.join(', '), line }];
}

/** `releases`: nothing of it needs an address that it does not have yet. */
function tenantSystemSteps(
  desired: DesiredTenantSystem,
  ts: TenantSystem | undefined,
  impossible: string[],
): { readonly steps: readonly Step[]; readonly releases: boolean } {
  const { tsId, tenantId, vmId, mac } = desired;
  const object = `ts/${tsId}`;
  const here = ts?.attachments ?? [];
  if (ts && here.length > 0 && ts.vmId !== vmId) {
    impossible.push(`${object} is a vNIC of VM ${ts.vmId} while it is attached`);
    return { steps: [], releases: false };
  }
  const common = { tsId, tenantId, vmId, mac };
  const attach = ({ nveId, state, logicalInterface }: DesiredAttachment, more: object): Line => ({
    command: 'attach',
    nveId,
    ...common,
    state,
    ...(logicalInterface !== undefined && { logicalInterface }),
    ...more,
  });
  const [first, ...rest] = desired.attachments as [DesiredAttachment, ...DesiredAttachment[]];
  const steps: Step[] = [];
  if (!ts || here.length === 0) {
    const bindings = desired.bindings && { bindings: desired.bindings };
    steps.push({
      sign: '+',
      action: 'attach',
      object,
      what: `at ${first.nveId}${boundTo(desired.bindings)}`,
      line: attach(first, { ...bindings }),
    });
    for (const place of rest)
      steps.push({ sign: '+', action: 'attach', object, what: `at ${place.nveId} too`, line: attach(place, { placement: 'add' }) });
    return { steps, releases: false };
  }

  const lines = desired.bindings && withKnownBids(desired.bindings, ts.bindings);
  const after = lines && resulting(ts.bindings, lines);
  const orphaned = lines?.some(({ vnid }) => vnid !== undefined && ts.orphaned.includes(vnid)) ?? false;
  const rebinds = lines !== undefined && (orphaned || after === null || !sameBindings(ts.bindings, after!));
  if (ts.mac !== mac)
    steps.push({
      sign: '~',
      action: 'change',
      object,
      what: changed('MAC', ts.mac, mac)[0]!,
      line: { command: 'changeMac', tsId, tenantId, mac },
    });

  const kept = desired.attachments.filter(({ nveId }) => here.some((place) => place.nveId === nveId));
  const missing = desired.attachments.filter(({ nveId }) => !here.some((place) => place.nveId === nveId));
  const superfluous = here.filter(({ nveId }) => !desired.attachments.some((place) => place.nveId === nveId));
  let pending = rebinds ? { bindings: lines } : {};
  const rebinding = rebinds ? [`bindings ${listed(ts.bindings)} → ${after ? listed(after) : 'anew'}`] : [];

  if (kept.length === 0) {
    const what = [`${here.map(({ nveId }) => nveId).join(', ')} → ${first.nveId}`, ...rebinding].join(', ');
    steps.push({ sign: '~', action: 'move', object, what, line: attach(first, pending) });
    missing.shift();
  } else {
    for (const [i, place] of kept.entries()) {
      const now = here.find(({ nveId }) => nveId === place.nveId)!;
      const changes = [
        ...(i === 0 ? rebinding : []),
        ...changed(`state at ${place.nveId}`, now.state, place.state),
        ...(place.logicalInterface === undefined
          ? []
          : changed(`interface at ${place.nveId}`, now.logicalInterface ?? 'none', place.logicalInterface)),
      ];
      if (changes.length === 0) continue;
      steps.push({ sign: '~', action: 'change', object, what: changes.join(', '), line: attach(place, { placement: 'add', ...pending }) });
      pending = {};
    }
  }
  for (const place of missing)
    steps.push({ sign: '+', action: 'attach', object, what: `at ${place.nveId} too`, line: attach(place, { placement: 'add' }) });
  if (kept.length > 0) {
    for (const { nveId } of superfluous)
      steps.push({ sign: '-', action: 'detach', object, what: `from ${nveId}`, line: { command: 'detach', nveId, tsId, tenantId } });
  }
  const [start, ...others] = steps;
  const guarded = start ? [{ ...start, line: { ...start.line, ifRevision: ts.revision } }, ...others] : [];
  return { steps: guarded, releases: ts.mac === mac && (!rebinds || (after !== null && after!.every((one) => holds(ts.bindings, one)))) };
}

function pruneSteps(
  manifest: Manifest,
  present: Present,
  { tenant }: Pruning,
): { readonly tenantSystems: readonly Step[]; readonly others: readonly Step[] } {
  const inScope = ({ tenantId }: { readonly tenantId: string }): boolean => tenant === undefined || tenantId === tenant;
  const tenantSystems = !manifest.tenantSystems
    ? []
    : absent(present.tenantSystems, manifest.tenantSystems.map(nameOf))
        .filter((ts) => inScope(ts) && ts.attachments.length > 0)
        .map(({ tsId, tenantId, revision, attachments }): Step => ({
          sign: '-',
          action: 'remove',
          object: `ts/${tsId}`,
          what: `of ${tenantId}, from ${attachments.map(({ nveId }) => nveId).join(', ')}`,
          line: { command: 'remove', tsId, tenantId, ifRevision: revision },
        }));
  const vns = !manifest.vns
    ? []
    : absent(
        present.vns,
        manifest.vns.map(({ vnid }) => vnid),
      )
        .filter(inScope)
        .map(({ vnid, name, tenantId, revision }): Step => ({
          sign: '-',
          action: 'delete',
          object: `vn/${vnid}`,
          what: `${name} of ${tenantId}`,
          line: { command: 'deleteVn', vnid, ifRevision: revision },
        }));
  const nves =
    !manifest.nves || tenant !== undefined
      ? []
      : absent(
          present.nves,
          manifest.nves.map(({ nveId }) => nveId),
        )
          .filter(({ status }) => status !== 'forgotten')
          .map(({ nveId, siteId }): Step => ({
            sign: '-',
            action: 'forget',
            object: `nve/${nveId}`,
            what: `in ${siteId}`,
            line: { command: 'disconnectNve', nveId, forget: true },
          }));
  return { tenantSystems, others: [...vns, ...nves] };
}

function absent<K, V>(present: ReadonlyMap<K, V>, named: readonly K[]): readonly V[] {
  const names = new Set(named);
  return [...present].filter(([name]) => !names.has(name)).map(([, value]) => value);
}

/** A line without a BID for an address that has one means that address: the NVA takes no BID back. */
function withKnownBids(lines: readonly BindingLine[], bindings: readonly Binding[]): readonly BindingLine[] {
  return lines.map((line) => {
    if (line.bid !== undefined) return line;
    const meant = bindings.filter(
      ({ vnid, vlan, ip }) =>
        vnid === line.vnid &&
        ip === (line.ip ?? null) &&
        (vlan === (line.vlan ?? null) || (line.vlan === undefined && line.ip !== undefined)),
    );
    const [known] = meant;
    return meant.length === 1 && known!.bid !== null ? ({ ...line, bid: known!.bid } as BindingLine) : line;
  });
}

/** The bindings that an attach with these lines leaves; null if the NVA would refuse them, which it then says itself. */
function resulting(bindings: readonly Binding[], lines: readonly BindingLine[]): readonly Binding[] | null {
  try {
    return wholeSet(bindings, lines);
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

const holds = (bindings: readonly Binding[], one: Binding): boolean =>
  bindings.some(({ vnid, vlan, ip }) => vnid === one.vnid && vlan === one.vlan && ip === one.ip);

const changed = (name: string, before: string, after: string): readonly string[] =>
  before === after ? [] : [`${name} ${before} → ${after}`];
const listed = (bindings: readonly Binding[]): string => bindings.map(bindingText).join(' ') || 'none';

function boundTo(lines: readonly BindingLine[] | undefined): string {
  if (!lines || lines.length === 0) return '';
  return `, bindings ${lines.map(({ vnid = 0, vlan = null, ip = null, bid = null }) => bindingText({ vnid, vlan, ip, bid: bid === 0 ? null : bid })).join(' ')}`;
}
