import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint, parseVerifier, tablesRoot, type VnDigest } from '@nva/transparency';
import { populate, startNva, until, type NvaFixture } from './support.ts';

let nva: NvaFixture;
beforeAll(async () => {
  nva = await startNva({ env: { PROOF_EVERY_MS: '50' } });
  await populate(nva.http);
  await until(async () => (await nva.http.get('/v1/tlog/checkpoint')).text?.includes('\n6\n') ?? false);
});
afterAll(() => nva.stop());

describe('/v1/tlog', () => {
  it('works without configuration: a key is made, and kept where nobody else may look', async () => {
    const folder = join(nva.dataDir, 'history/proof');
    const tree = join(folder, nva.server.core.store.logId);
    for (const path of [folder, tree]) expect(statSync(path).mode & 0o777, path).toBe(0o700);
    for (const name of ['key', 'known-keys', 'checkpoint', 'lock']) expect(statSync(join(tree, name)).mode & 0o777, name).toBe(0o600);
    const keys = (await nva.http.get('/v1/tlog/keys').expect(200)).body;
    expect(keys).toMatchObject({
      origin: `nva/${nva.server.core.store.logId}`,
      log: nva.server.core.store.logId,
      former: [],
      witnesses: [],
    });
    const known = { current: (keys.current as string[]).map(parseVerifier), former: [] };
    const { text, headers } = await nva.http.get('/v1/tlog/checkpoint').expect(200);
    expect(headers['cache-control']).toBe('no-cache');
    const checkpoint = openCheckpoint(text, keys.origin, known);
    const { body } = await nva.http.get('/v1/tlog/tables').expect(200);
    expect(openCheckpoint(body.checkpoint, keys.origin, known).tables).toEqual(tablesRoot(body.items as VnDigest[]));
    expect(checkpoint.tables).toEqual(tablesRoot(body.items as VnDigest[]));
    for (const { vnid, digest } of body.items)
      expect((await nva.http.get(`/v1/vns/${vnid}`).expect(200)).body.digest, String(vnid)).toBe(digest);
  });

  it.each([
    ['checkpoint?size=3', 400, 'unknown-field'],
    ['keys?x=1', 400, 'unknown-field'],
    ['tables?vnid=x', 400, 'wrong-type'],
    ['tables?vnid=99999999', 400, 'vnid-out-of-range'],
    ['tables?vnid=77', 404, 'vn-unknown'],
    ['inclusion', 400, 'missing-field'],
    ['inclusion?position=x', 400, 'position-malformed'],
    ['inclusion?position=0', 404, 'not-found'],
    ['inclusion?position=7', 404, 'not-found'],
    ['inclusion?position=5&size=4', 404, 'not-found'],
    ['inclusion?position=5&size=7', 400, 'out-of-range'],
    ['inclusion?position=5&size=-1', 400, 'out-of-range'],
    ['consistency', 400, 'missing-field'],
    ['consistency?from=7', 400, 'out-of-range'],
    ['consistency?from=5&to=4', 400, 'out-of-range'],
    ['consistency?from=01', 400, 'out-of-range'],
    ['consistency?from=1&to=99', 400, 'out-of-range'],
    ['tile/0/000', 404, 'not-found'],
    ['tile/0/000.p/7', 404, 'not-found'],
    ['tile/0/000.p/0', 400, 'id-malformed'],
    ['tile/0/000.p/256', 400, 'id-malformed'],
    ['tile/0/0', 400, 'id-malformed'],
    ['tile/7/000', 400, 'id-malformed'],
    ['tile/entries/x001', 400, 'id-malformed'],
    ['tile/0/..%2f..%2fkey', 400, 'id-malformed'],
    ['tile/%2e%2e/key', 400, 'id-malformed'],
    ['tile/0/000.p/6?x=1', 400, 'unknown-field'],
    ['tile/1/000.p/1', 404, 'not-found'],
    ['key', 404, 'not-found'],
  ])('answers %s with what is wrong', async (path, status, code) => {
    const { body, headers } = await nva.http.get(`/v1/tlog/${path}`).expect(status);
    expect(headers['content-type']).toMatch('application/problem+json');
    expect(body).toMatchObject({ code, status });
  });

  it('serves every width of a tile that the tree ever had', async () => {
    const whole = (await nva.http.get('/v1/tlog/tile/0/000.p/6').expect(200)).body as Buffer;
    for (let width = 1; width <= 6; width++)
      expect((await nva.http.get(`/v1/tlog/tile/0/000.p/${width}`).expect(200)).body).toEqual(whole.subarray(0, 32 * width));
  });

  it('takes no JSON and no body of another kind as a checkpoint, and text nowhere else', async () => {
    for (const type of ['application/json', 'application/x-ndjson', 'text/plain', 'image/png'])
      expect((await nva.http.post('/v1/tlog/add-checkpoint').set('content-type', type).send('{"a": 1}').expect(400)).body).toMatchObject({
        code: 'malformed-body',
      });
    expect((await nva.http.post('/v1/tlog/add-checkpoint').expect(400)).body).toMatchObject({ code: 'malformed-body' });
    for (const type of ['text/plain', 'text/x.tlog.add-checkpoint'])
      expect((await nva.http.put('/v1/vns/5').set('content-type', type).send('x').expect(400)).body).toMatchObject({
        code: 'malformed-body',
        field: 'Content-Type',
      });
    await nva.http.post('/v1/tlog/add-checkpoint').send('x'.repeat(1_100_000)).expect(413);
  });

  it.each([
    [{ PROOF: 'false' }, 'keeps no proof (PROOF)'],
    [{ HISTORY: 'false' }, 'keeps no history (HISTORY)'],
  ])('is not there with %j', async (env, why) => {
    const without = await startNva({ env });
    try {
      for (const path of ['checkpoint', 'keys', 'tables', 'inclusion?position=1', 'tile/0/000'])
        expect((await without.http.get(`/v1/tlog/${path}`).expect(404)).body).toMatchObject({
          code: 'not-found',
          detail: expect.stringContaining(why),
        });
      expect((await without.http.get('/metrics').expect(200)).text).not.toContain('nva_proof');
    } finally {
      await without.stop();
    }
  });

  it('says that nothing is signed yet while the log has no event', async () => {
    const empty = await startNva();
    try {
      expect((await empty.http.get('/v1/tlog/checkpoint').expect(503)).body).toMatchObject({ code: 'behind' });
    } finally {
      await empty.stop();
    }
  });
});
