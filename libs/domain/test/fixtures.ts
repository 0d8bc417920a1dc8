import { command, World, underlayOf } from '@nva/domain/testing';
import type { Command } from '../src/index.ts';

export const MAC1 = '02:00:00:00:00:01';
export const MAC2 = '02:00:00:00:00:02';

/** VN 1 and VN 3 are L3, VN 2 is L2, all of tenant red; VN 9 is blue's. VN 4 and VN 5, L2 and red's, are made by whoever needs them. */
export const SERVICE: Readonly<Record<number, 'l2' | 'l3'>> = { 1: 'l3', 2: 'l2', 3: 'l3', 4: 'l2', 5: 'l2', 9: 'l3' };

export const vn = (vnid: number, fields: Record<string, unknown> = {}): Command =>
  command('putVn', {
    vnid,
    tenantId: vnid === 9 ? 'blue' : 'red',
    name: `VN${vnid}`,
    service: SERVICE[vnid],
    encapsulation: 'vxlan',
    ...fields,
  });
export const nve = (nveId: string, fields: Record<string, unknown> = {}): Command =>
  command('connectNve', { nveId, siteId: 'site', mac: '02:00:00:00:0a:01', addresses: [underlayOf(nveId)], incarnation: 1, ...fields });
export const attach = (tsId: string, nveId: string, fields: Record<string, unknown> = {}): Command =>
  command('attach', { tsId, nveId, tenantId: 'red', vmId: `vm-${tsId}`, mac: MAC1, ...fields });

export const l3 = (ip: string, fields: Record<string, unknown> = {}): object => ({ vnid: 1, ip, ...fields });

/** The VNs above and three NVEs. */
export const network = (): World => new World().given(vn(1), vn(2), vn(3), vn(9), nve('nve1'), nve('nve2'), nve('nve3'));
