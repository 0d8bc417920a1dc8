import { isDeepStrictEqual } from 'node:util';
import type { Nve, Policies, TenantSystem, Vn } from '../api/answers.ts';
import type { DesiredNve, DesiredVn, Manifest } from './manifest.ts';
import { stepsInOrder } from './order.ts';
import { changed, type Line, type Step } from './step.ts';

export type { Line, Sign, Step } from './step.ts';

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
 * first, then what is pruned of tenant systems, then each tenant system after those whose addresses it takes; VNs and NVEs that are
 * pruned last. The first command about a VN or a tenant system names the revision that the plan was made of.
 */
export function planOf(manifest: Manifest, present: Present, pruning: Pruning | null): Plan {
  const impossible: string[] = [];
  const vns = (manifest.vns ?? []).flatMap((vn) => vnSteps(vn, present.vns.get(vn.vnid), impossible));
  const nves = (manifest.nves ?? []).flatMap((nve) => nveSteps(nve, present.nves.get(nve.nveId)));
  const systems = stepsInOrder(manifest.tenantSystems ?? [], (ts) => present.tenantSystems.get(nameOf(ts)), impossible);
  const pruned = pruning ? pruneSteps(manifest, present, pruning) : { tenantSystems: [], others: [] };
  return { steps: [...vns, ...nves, ...pruned.tenantSystems, ...systems, ...pruned.others], impossible };
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
