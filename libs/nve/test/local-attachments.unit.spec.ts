import { describe, expect, it } from 'vitest';
import { LocalAttachments, type LocalAttachment } from '../src/local-attachments.ts';

const of = (tsId: string, tenantId?: string): LocalAttachment => ({
  tsId,
  ...(tenantId === undefined ? {} : { tenantId }),
  mac: '02:00:00:00:00:01',
  state: 'activated',
  bindings: [],
});

describe('an NVE’s own attachments', () => {
  it('of two tenants with one id are hosted until the last has gone', () => {
    const attachments = new LocalAttachments();
    attachments.set(of('ts1', 'red'));
    attachments.set(of('ts1', 'blue'));
    attachments.set(of('ts1', 'blue'));
    expect(attachments.delete('ts1', 'red')).toBe(true);
    expect(attachments.delete('ts1', 'red')).toBe(false);
    expect(attachments.hosts('ts1')).toBe(true);
    expect(attachments.delete('ts1', 'blue')).toBe(true);
    expect(attachments.hosts('ts1')).toBe(false);
  });

  it('are not those of another id', () => {
    const attachments = new LocalAttachments();
    attachments.set(of('ts1'));
    expect([attachments.hosts('ts1'), attachments.hosts('ts2'), attachments.delete('ts2')]).toEqual([true, false, false]);
  });
});
