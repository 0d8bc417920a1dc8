import { randomUUID } from 'node:crypto';
import type { NvaEvent } from '@nva/codec';
import type { EventToAppend } from '@nva/ports';

/**
 * So many different attaches, over and over: a registrar's events are fresh in the processor's cache when it appends them, a
 * million made beforehand are not.
 */
const DIFFERENT = 4_096;

/** Attaches as the registrar appends them, every audit field of an ordinary request filled in; each with an id of its own. */
export function attaches(count: number): EventToAppend[] {
  const events = Array.from({ length: DIFFERENT }, (_, i) => attach(i));
  return Array.from({ length: count }, (_, i) => ({ id: randomUUID(), event: events[i % DIFFERENT]! }));
}

const attach = (i: number): NvaEvent => ({
  type: 'TenantSystemAttached',
  data: {
    audit: {
      recordedAt: 1_790_000_000_000 + i,
      actor: `nve:nve${i % 50}`,
      correlationId: randomUUID(),
      idempotencyKey: null,
      requestDigest: null,
    },
    tsId: `vm${i}-eth0`,
    tenantId: `tenant-${i % 20}`,
    vmId: `vm${i}`,
    mac: `02:00:00:${hex(i >> 16)}:${hex(i >> 8)}:${hex(i)}`,
    attachment: { nveId: `nve${i % 50}`, logicalInterface: `tap${i}`, state: 'activated' },
    bindings: [{ bid: null, vnid: 100 + (i % 50), vlan: null, ip: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, lifetimeS: null }],
    mobility: 0,
  },
});

const hex = (byte: number): string => (byte & 255).toString(16).padStart(2, '0');

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
