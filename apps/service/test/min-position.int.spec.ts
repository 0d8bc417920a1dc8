import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FOLD_WAIT_MS } from '../src/log/loss-watch.ts';
import { populate, startNva, vnBody, type NvaFixture } from './support.ts';

let nva: NvaFixture;

beforeAll(async () => {
  nva = await startNva();
  await populate(nva.http);
});

afterAll(() => nva.stop());

describe('X-Min-Position', () => {
  it('is passed by a query after the write that was answered with it', async () => {
    const { position } = (await nva.http.put('/v1/vns/77').send(vnBody()).expect(200)).body;
    await nva.http.get('/v1/vns/77').set('x-min-position', position).expect(200);
  });

  it('makes a query wait for a write that comes later', async () => {
    const next = (await nva.head()) + 1;
    const query = nva.http
      .get('/v1/vns/78')
      .set('x-min-position', String(next))
      .then((answer) => answer.status);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await nva.http.put('/v1/vns/78').send(vnBody()).expect(200);
    expect(await query).toBe(200);
  });

  it('beyond what the instance reaches in time is answered 503, with where it is', async () => {
    const head = await nva.head();
    const startedMs = performance.now();
    const { status, body } = await nva.http.get('/v1/vns/1').set('x-min-position', String(head + 1_000));
    expect([status, body.code, body.field, body.expected, body.actual]).toEqual([
      503,
      'behind',
      'X-Min-Position',
      String(head + 1_000),
      String(head),
    ]);
    expect(performance.now() - startedMs).toBeGreaterThan(FOLD_WAIT_MS - 50);
  });

  it.each(['-1', 'x', '1.5', '', '99999999999999999999'])('«%s» is refused', async (value) => {
    const { status, body } = await nva.http.get('/v1/vns/1').set('x-min-position', value);
    expect([status, body.code, body.field]).toEqual([400, 'position-malformed', 'X-Min-Position']);
  });
});
