import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { macOf, nveBody, startNva, vnBody, type NvaFixture } from './support.ts';

let nva: NvaFixture;
/** Where the VNID came to be another tenant's. */
let again: number;

const put = (path: string, body: object) => nva.http.put(path).send(body).expect(200);
const attach = (tenantId: string, tsId: string, n: number) =>
  put(`/v1/nves/nve1/tenant-systems/${tsId}`, {
    tenantId,
    vmId: `${tenantId}-${tsId}`,
    mac: macOf(n),
    bindings: [{ vnid: 7, ip: `10.0.0.${n}` }],
  });

beforeAll(async () => {
  nva = await startNva();
  await put('/v1/nves/nve1', nveBody(1));
  await put('/v1/vns/7', vnBody({ tenantId: 'red' }));
  await attach('red', 'x', 1);
  await attach('red', 'y', 2);
  await nva.http.post('/v1/vns/7/empty').expect(200);
  await nva.http.delete('/v1/vns/7').expect(200);
  await nva.http.post('/v1/vns/7/release').send({ reason: 'for blue' }).expect(200);
  again = Number((await put('/v1/vns/7', vnBody({ tenantId: 'blue' }))).body.position);
  await attach('blue', 'x', 3);
  await attach('blue', 'y', 4);
});
afterAll(() => nva.stop());

const ask = async (path: string) => (await nva.http.get(path).expect(200)).body;

describe('a VNID that has come to another tenant, which has tenant systems of the same ids', () => {
  it('has a timeline for each tenant’s', async () => {
    const positions = async (tenantId: string): Promise<number[]> =>
      (await ask(`/v1/timeline?tsId=x&tenantId=${tenantId}`)).items
        .filter(({ changes }: { changes: unknown[] }) => changes.length > 0)
        .map(({ position }: { position: string }) => Number(position));
    const [red, blue] = [await positions('red'), await positions('blue')];
    expect([red.length, blue.length]).toEqual([2, 1]);
    expect(Math.max(...red)).toBeLessThan(again);
    expect(Math.min(...blue)).toBeGreaterThan(again);
  });

  it('tells when each tenant’s could reach each other', async () => {
    const intervals = async (tenantId: string) => (await ask(`/v1/reachability?a=x&b=y&tenantId=${tenantId}`)).intervals;
    const [red, blue] = [await intervals('red'), await intervals('blue')];
    expect([red.length, blue.length]).toEqual([1, 1]);
    expect(Number(red[0].ended.position)).toBeLessThan(again);
    expect(Number(blue[0].began.position)).toBeGreaterThan(again);
  });

  it('carries the packets of its present tenant only', async () => {
    expect((await ask('/v1/trace?from=x&tenantId=blue&to=10.0.0.4')).outcome).toBe('delivered');
    expect(await ask('/v1/trace?from=x&tenantId=red&to=10.0.0.4&vnid=7')).toMatchObject({
      outcome: 'dropped',
      steps: [{ step: 'source', why: 'the VN has no entry of it' }],
    });
  });
});
