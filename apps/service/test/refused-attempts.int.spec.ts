import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@nva/ports';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { attachLine, line, populate, postLines, startNva, tsBody, vnBody, type NvaFixture } from './support.ts';

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
const SECRETS = ['operator-token', 'nve1-token', 'a-guessed-token', 'a-secret-in-the-query'];

let directory: string;
let nva: NvaFixture;
const lines: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[] = [];
let last = '0';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-refused-'));
  const file = join(directory, 'tokens.json');
  await writeFile(
    file,
    JSON.stringify({
      operators: [{ name: 'alice', sha256: sha256('operator-token') }],
      nves: [{ nveId: 'nve1', tenants: ['red'], sha256: sha256('nve1-token') }],
    }),
  );
  nva = await startNva({
    env: { TOKENS_FILE: file },
    logger: { ...silentLogger, warn: (message, fields = {}) => void lines.push({ message, fields }) },
  });
  await populate(nva.http, 'operator-token');
});

afterAll(async () => {
  await nva.stop();
  await rm(directory, { recursive: true });
});

beforeEach(async () => {
  last = (await refused()).at(-1)?.['id'] ?? last;
  lines.length = 0;
});

const as = (token: string) => ({ 'authorization': `Bearer ${token}`, 'x-correlation-id': 'who-tried' });

async function refused(): Promise<Record<string, string>[]> {
  return (await nva.http.get(`/v1/refused?limit=1000&after=${last}`).set(as('operator-token')).expect(200)).body.items;
}

const logged = () => lines.map(({ fields }) => fields);
const common = {
  claims: null,
  address: '127.0.0.1',
  record: null,
  correlationId: 'who-tried',
  leftOut: 0,
  id: expect.stringMatching(/^\d{16}$/),
  at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
  detail: expect.any(String),
};

it('a write without a valid token is in the log and on record: from where, what, and no token or body of it', async () => {
  await nva.http
    .put('/v1/vns/7?key=a-secret-in-the-query')
    .set(as('a-guessed-token'))
    .send(vnBody({ name: 'secret-name' }))
    .expect(401);
  await nva.http.get('/v1/vns/7').set('x-correlation-id', 'who-tried').expect(401);
  await nva.http
    .post('/v1/commands')
    .set(as('a-guessed-token'))
    .set('content-type', 'application/x-ndjson')
    .send(attachLine(1, 1))
    .expect(401);
  await nva.http.put('/nowhere').set(as('a-guessed-token')).expect(401);
  const nobody = { ...common, caller: null, code: 'unauthenticated' };
  const expected = [
    { ...nobody, command: 'PUT /v1/vns/:vnid', entity: 'vn-7' },
    { ...nobody, command: 'GET /v1/vns/:vnid', entity: 'vn-7' },
    { ...nobody, command: 'POST /v1/commands', entity: null },
    { ...nobody, command: 'PUT (no such path)', entity: null },
  ];
  expect(await refused()).toEqual(expected);
  expect(logged()).toEqual(expected);
});

it('a write that a caller may not do is on record under its name, over REST and as a line of NDJSON; what it may not read is not', async () => {
  await nva.http.put('/v1/nves/nve2/tenant-systems/ts5').set(as('nve1-token')).send(tsBody(5)).expect(403);
  await nva.http.delete('/v1/vns/2').set(as('nve1-token')).expect(403);
  await nva.http.get('/v1/vns/2').set(as('nve1-token')).expect(403);
  await nva.http
    .put('/v1/nves/nve1/tenant-systems/ts6')
    .set(as('nve1-token'))
    .send(tsBody(6, { bindings: [{ vnid: 9, ip: '10.0.0.1' }] }))
    .expect(404);
  const results = await postLines(
    nva.url,
    attachLine(51, 1) + attachLine(52, 2) + line('deleteVn', { vnid: 9, correlationId: 'of-the-line' }),
    as('nve1-token'),
  );
  expect(results.map(({ status }) => status)).toEqual([200, 403, 403]);
  const nve1 = { ...common, caller: 'nve:nve1', code: 'forbidden' };
  const expected = [
    { ...nve1, command: 'PUT /v1/nves/:nveId/tenant-systems/:tsId', entity: 'ts-ts5' },
    { ...nve1, command: 'DELETE /v1/vns/:vnid', entity: 'vn-2' },
    { ...nve1, command: 'attach', entity: 'ts-ts52' },
    { ...nve1, command: 'deleteVn', entity: 'vn-9', correlationId: 'of-the-line' },
  ];
  expect(await refused()).toEqual(expected);
  expect(logged()).toEqual(expected);
});

it('a flood of guesses takes a bounded part of the log and of the record, says how much was left out, and what others tried stays', async () => {
  await nva.http.delete('/v1/vns/1').set(as('nve1-token')).expect(403);
  for (let i = 0; i < 400; i += 20)
    await Promise.all(Array.from({ length: 20 }, () => nva.http.put('/v1/vns/7').set(as('a-guessed-token')).send(vnBody()).expect(401)));
  const [first, ...flood] = await refused();
  expect(first).toMatchObject({ caller: 'nve:nve1', command: 'DELETE /v1/vns/:vnid' });
  expect(flood.length).toBeLessThanOrEqual(128);
  expect(flood.length + flood.reduce((sum, { leftOut }) => sum + Number(leftOut), 0)).toBeGreaterThanOrEqual(400);
  expect(lines.length).toBeLessThan(100);
  expect(JSON.stringify([lines, flood])).not.toMatch(new RegExp([...SECRETS, 'secret-name', ...SECRETS.map(sha256)].join('|')));
});

it('operators read it in pages, and nobody else', async () => {
  await nva.http.get('/v1/refused').set(as('nve1-token')).expect(403);
  const page = (await nva.http.get('/v1/refused?limit=2').set(as('operator-token')).expect(200)).body;
  expect(page).toMatchObject({ items: [{ id: expect.any(String) }, { id: expect.any(String) }], forgotten: 0, next: page.items[1].id });
  const following = (await nva.http.get(`/v1/refused?limit=2&after=${page.next}`).set(as('operator-token')).expect(200)).body;
  expect(Number(following.items[0].id)).toBeGreaterThan(Number(page.next));
  expect((await nva.http.get('/v1/refused?after=x').set(as('operator-token')).expect(400)).body).toMatchObject({ field: 'after' });
  expect((await nva.http.get('/v1/refused?caller=x').set(as('operator-token')).expect(400)).body).toMatchObject({ field: 'caller' });
});
