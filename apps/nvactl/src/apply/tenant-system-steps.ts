import { sameBindings, wholeSet, type BindingLine } from '@nva/domain';
import { Refusal } from '@nva/identifiers';
import type { Binding, TenantSystem } from '../api/answers.ts';
import { bindingText } from '../output/columns.ts';
import type { DesiredAttachment, DesiredTenantSystem } from './manifest.ts';
import { changed, type Line, type Step } from './step.ts';

/** The commands that make a tenant system what it should be. The first one names the revision that they were made of. */
export function tenantSystemSteps(desired: DesiredTenantSystem, ts: TenantSystem | undefined, impossible: string[]): readonly Step[] {
  const { tsId, tenantId, vmId, mac } = desired;
  const object = `ts/${tsId}`;
  const here = ts?.attachments ?? [];
  if (ts && here.length > 0 && ts.vmId !== vmId) {
    impossible.push(`${object} is a vNIC of VM ${ts.vmId} while it is attached`);
    return [];
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
    return steps;
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
  return start ? [{ ...start, line: { ...start.line, ifRevision: ts.revision } }, ...others] : [];
}

/** A line without a BID for an address that has one means that address: the NVA takes no BID back. */
export function withKnownBids(lines: readonly BindingLine[], bindings: readonly Binding[]): readonly BindingLine[] {
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
export function resulting(bindings: readonly Binding[], lines: readonly BindingLine[]): readonly Binding[] | null {
  try {
    return wholeSet(bindings, lines);
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

const listed = (bindings: readonly Binding[]): string => bindings.map(bindingText).join(' ') || 'none';

function boundTo(lines: readonly BindingLine[] | undefined): string {
  if (!lines || lines.length === 0) return '';
  return `, bindings ${lines.map(({ vnid = 0, vlan = null, ip = null, bid = null }) => bindingText({ vnid, vlan, ip, bid: bid === 0 ? null : bid })).join(' ')}`;
}
