import { randomUUID } from 'node:crypto';
import type { Audit, NvaEvent } from '@nva/codec';
import { nveStream, tsStream, vnStream } from '@nva/identifiers';

/** The measured network: `vns` L3 VNs, `nves` NVEs, and tenant systems with one binding each, spread over both. */
export interface Workload {
  readonly vns: number;
  readonly nves: number;
}

const hex = (byte: number): string => (byte & 255).toString(16).padStart(2, '0');
export const macOf = (i: number): string => `02:00:${hex(i >> 24)}:${hex(i >> 16)}:${hex(i >> 8)}:${hex(i)}`;
export const ipOf = (i: number): string => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
/** An address of the range for benchmarks (RFC 2544); each NVE has its own. */
export const underlayOf = (n: number): string => `198.18.${(n >> 8) & 255}.${n & 255}`;
export const nveIdOf = (n: number): string => `nve-${n}`;
export const tsIdOf = (i: number): string => `vm-${i}-eth0`;

const audit = (i: number): Audit => ({
  recordedAt: 1_790_000_000_000 + i,
  actor: `nve:nve-${i % 100}`,
  correlationId: randomUUID(),
  idempotencyKey: null,
  requestDigest: null,
});

/** Events that create the VNs and connect the NVEs. */
export function foundation({ vns, nves }: Workload): NvaEvent[] {
  return [
    ...Array.from({ length: vns }, (_, v): NvaEvent => ({
      type: 'VnCreated',
      data: {
        audit: audit(v),
        vnid: v + 1,
        tenantId: `tenant-${v % 50}`,
        name: `VN ${v + 1}`,
        service: 'l3',
        encapsulation: 'vxlan',
        policies: { access: {}, tunnel: {} },
      },
    })),
    ...Array.from({ length: nves }, (_, n): NvaEvent => ({
      type: 'NveConnected',
      data: {
        audit: audit(n),
        nveId: nveIdOf(n),
        siteId: `site-${n}`,
        mac: macOf(0x0a_00_00_00 + n),
        addresses: [underlayOf(n)],
        incarnation: 1,
        leaseS: null,
      },
    })),
  ];
}

/** The attach of tenant system i, in the form that the registrar records. */
export function attached({ vns, nves }: Workload, i: number): NvaEvent {
  const v = i % vns;
  return {
    type: 'TenantSystemAttached',
    data: {
      audit: audit(i),
      tsId: tsIdOf(i),
      tenantId: `tenant-${v % 50}`,
      vmId: `vm-${i}`,
      mac: macOf(i),
      attachment: { nveId: nveIdOf(i % nves), logicalInterface: `tap${i}`, state: 'activated' },
      bindings: [{ bid: null, vnid: v + 1, vlan: null, ip: ipOf(i), lifetimeS: null }],
      mobility: 0,
    },
  };
}

export function streamOf(event: NvaEvent): string {
  const { data } = event;
  if ('tsId' in data) return tsStream(data.tsId);
  if ('vnid' in data) return vnStream(data.vnid);
  return 'nveId' in data ? nveStream(data.nveId) : 'fold';
}

/** The same as lines of NDJSON. */
export function foundationLines({ vns, nves }: Workload): string[] {
  return [
    ...Array.from({ length: vns }, (_, v) =>
      JSON.stringify({
        command: 'putVn',
        vnid: v + 1,
        tenantId: `tenant-${v % 50}`,
        name: `VN ${v + 1}`,
        service: 'l3',
        encapsulation: 'vxlan',
      }),
    ),
    ...Array.from({ length: nves }, (_, n) =>
      JSON.stringify({
        command: 'connectNve',
        nveId: nveIdOf(n),
        siteId: `site-${n}`,
        mac: macOf(0x0a_00_00_00 + n),
        addresses: [underlayOf(n)],
      }),
    ),
  ];
}

export function attachBody({ vns }: Workload, i: number): object {
  const v = i % vns;
  return {
    tenantId: `tenant-${v % 50}`,
    vmId: `vm-${i}`,
    mac: macOf(i),
    logicalInterface: `tap${i}`,
    bindings: [{ vnid: v + 1, ip: ipOf(i) }],
  };
}

export const attachLine = (workload: Workload, i: number): string =>
  JSON.stringify({ command: 'attach', nveId: nveIdOf(i % workload.nves), tsId: tsIdOf(i), ...attachBody(workload, i) });
