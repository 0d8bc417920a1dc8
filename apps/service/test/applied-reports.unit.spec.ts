import { FeedDigests } from '@nva/fold';
import { beforeEach, describe, expect, it } from 'vitest';
import { AppliedReports } from '../src/core/applied-reports.ts';

const LOG = '00000000-0000-4000-8000-000000000000';

let memberships: Set<number>;
let reports: AppliedReports;
let isAtHead: boolean;
let told: number[];

beforeEach(() => {
  memberships = new Set([1, 2]);
  isAtHead = true;
  told = [];
  const digests = new FeedDigests();
  const context = {
    type: 'VnContext',
    data: { vnid: 1, name: 'VN', tenantId: 'red', service: 'l3', encapsulation: 'vxlan', policies: { access: {}, tunnel: {} } },
  } as const;
  digests.apply(
    5,
    [1, 2, 3].map((vnid) => ({ feed: { kind: 'vn' as const, vnid }, key: 'context', value: context, previous: null })),
  );
  reports = new AppliedReports(
    LOG,
    digests,
    () => 5,
    (_nveId, vnid) => memberships.has(vnid),
    async () => isAtHead,
  );
  reports.onDiffers = (vnid) => told.push(vnid);
});

const applied = (vnid: number): { vnid: number; log: string; position: number; digest: string } => ({
  vnid,
  log: LOG,
  position: 5,
  digest: 'd'.repeat(16),
});
/** Everything that is asked of the log is answered by then. */
const confirmed = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const kept = (): [number, string][] => [...reports.of('nve1')].map(([vnid, { verdict }]) => [vnid, verdict]);

describe('what an NVE says it has applied', () => {
  it('is kept of the VNs that it is in, and of no other, which may exist or not', async () => {
    reports.take('nve1', [1, 2, 3, 4].map(applied));
    await confirmed();
    expect(kept()).toEqual([
      [1, 'differs'],
      [2, 'differs'],
    ]);
    expect(reports.mismatches).toBe(2);
  });

  it('is kept of a VN that it has left, without a verdict, as long as every report goes on naming it: its right to read waits for that', async () => {
    reports.take('nve1', [applied(1), applied(2)]);
    memberships.delete(2);
    for (let i = 0; i < 3; i++) reports.take('nve1', [applied(1), applied(2), applied(3)]);
    await confirmed();
    expect(kept()).toEqual([
      [1, 'differs'],
      [2, 'unknown'],
    ]);
    reports.take('nve1', [applied(1)]);
    reports.take('nve1', [applied(1), applied(2)]);
    await confirmed();
    expect(kept()).toEqual([[1, 'differs']]);
  });

  it('is not called different before the fold has passed all that was in the log when it came: the NVE may be further than the fold', async () => {
    reports.take('nve1', [applied(1)]);
    expect([kept(), told]).toEqual([[[1, 'unknown']], []]);
    await confirmed();
    expect([kept(), told, reports.mismatches]).toEqual([[[1, 'differs']], [1], 1]);
    isAtHead = false;
    reports.take('nve1', [applied(1), applied(2)]);
    await confirmed();
    expect([kept(), told]).toEqual([
      [
        [1, 'differs'],
        [2, 'unknown'],
      ],
      [1],
    ]);
  });

  it('is judged as it was said last', async () => {
    reports.take('nve1', [applied(1)]);
    reports.take('nve1', [{ ...applied(1), position: 6 }]);
    await confirmed();
    expect([kept(), told]).toEqual([[[1, 'unknown']], []]);
  });
});
