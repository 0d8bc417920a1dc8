import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { macOf, nveBody, populate, startNva, tsBody, vnBody, type NvaFixture } from './support.ts';

let nva: NvaFixture;

beforeEach(async () => {
  nva = await startNva();
  await populate(nva.http);
});

afterEach(() => nva.stop());

/** What an effective write of something that is in no VN answers. */
const plain = (position: number, revision: number): object => ({ position: String(position), revision, effective: true, conflicts: [], memberships: [] });
const joined = (position: number, revision: number, ...memberships: number[]): object => ({ ...plain(position, revision), memberships });

describe('the writes of a VN', () => {
  it('PUT creates, updates, and repeats without an event (R37)', async () => {
    const created = await nva.http.put('/v1/vns/7').send(vnBody({ context: { access: { qos: 'gold' } } })).expect(200);
    expect(created.body).toEqual(plain(7, 0));
    expect(created.headers['content-type']).toMatch(/^application\/json/);
    const updated = await nva.http.put('/v1/vns/7').send(vnBody({ name: 'renamed', encapsulation: 'mpls-gre' })).expect(200);
    expect(updated.body).toEqual(plain(8, 1));
    const again = await nva.http.put('/v1/vns/7').send(vnBody({ name: 'renamed', encapsulation: 'mpls-gre' })).expect(200);
    expect(again.body).toEqual(plain(8, 1));
    expect(await nva.head()).toBe(8);
    expect((await nva.http.get('/v1/vns/7')).body).toMatchObject({ name: 'renamed', context: { access: { qos: 'gold' }, tunnel: {} } });
  });

  it('DELETE deletes an empty one; its VNID stays its tenant\u2019s', async () => {
    expect((await nva.http.delete('/v1/vns/2').expect(200)).body).toEqual(plain(7, 1));
    await nva.http.get('/v1/vns/2').expect(404);
    expect((await nva.http.put('/v1/vns/2').send(vnBody({ tenantId: 'blue' })).expect(409)).body).toMatchObject({ code: 'vnid-reserved', field: 'vnid', received: 2 });
    expect((await nva.http.put('/v1/vns/2').send(vnBody()).expect(200)).body).toEqual(plain(8, 2));
  });
});
