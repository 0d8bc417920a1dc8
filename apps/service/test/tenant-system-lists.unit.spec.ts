import { auditAt } from '@nva/domain/testing';
import { Network } from '@nva/fold';
import { expect, it } from 'vitest';
import type { Steps } from '../src/turns/sliced.ts';
import { tenantSystemsPage, type Wanted } from '../src/reads/tenant-system-lists.ts';

const MANY = 40_000;
/** Of the steps of one page: each is far below a millisecond. */
const STEPS_PER_PAGE = 1_000;

function finished(steps: Steps<string>): {
  readonly page: { readonly items: readonly string[]; readonly next?: string };
  readonly steps: number;
} {
  for (let taken = 1; ; taken++) {
    const { done, value } = steps.next();
    if (done) return { page: JSON.parse(value), steps: taken };
  }
}

function network(): Network {
  const folded = new Network();
  let position = 0;
  const apply = (stream: string, event: Parameters<Network['apply']>[0]['event']): void =>
    void folded.apply({ position: ++position, stream, revision: 0, event });
  apply('nve-nve1', {
    type: 'NveConnected',
    data: {
      audit: auditAt(0),
      nveId: 'nve1',
      siteId: 's',
      mac: '02:00:00:00:ff:01',
      addresses: ['198.51.100.1'],
      incarnation: 0,
      leaseS: null,
    },
  });
  for (let i = 0; i < MANY; i++) {
    const attachment = { nveId: 'nve1', logicalInterface: null, state: 'activated' as const };
    apply(`ts-ts${i}`, {
      type: 'TenantSystemAttached',
      data: {
        audit: auditAt(0),
        tsId: `ts${i}`,
        tenantId: i === MANY - 1 ? 'rare' : 'red',
        vmId: 'vm',
        mac: '02:00:00:00:00:01',
        attachment,
        bindings: [],
        mobility: 0,
      },
    });
  }
  return folded;
}

it('a page ends after a bounded number of tenant systems that it is not of, and the pages after it find what there is', () => {
  const folded = network();
  for (const place of [{}, { nveId: 'nve1' }] satisfies Wanted[]) {
    const found: string[] = [];
    let pages = 0;
    for (let after: string | undefined = ''; after !== undefined; pages++) {
      const { page, steps } = finished(
        tenantSystemsPage(folded, { ...place, tenantId: 'rare' }, { after, limit: 10 }, ({ state }) => state.tsId),
      );
      // The first one takes in what there is.
      if (pages > 0) expect(steps).toBeLessThan(STEPS_PER_PAGE);
      found.push(...page.items);
      after = page.next;
    }
    expect(found).toEqual([`ts${MANY - 1}`]);
    expect(pages).toBeGreaterThan(2);
    expect(pages).toBeLessThan(10);
  }
}, 300_000);
