import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readArchive, type ArchivedEvent } from '@nva/codec';
import { importLog } from '@nva/event-log';
import { silentLogger, systemClock } from '@nva/ports';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createService, readConfig, ROLES } from '../src/index.ts';
import { macOf, populate, startNva, temporaryDirectory, tsBody, until, type NvaFixture } from './support.ts';

let nva: NvaFixture;
let then: number;

beforeAll(async () => {
  nva = await startNva();
  await populate(nva.http);
  for (let n = 1; n <= 60; n++)
    await nva.http
      .put(`/v1/nves/nve${1 + (n % 3)}/tenant-systems/ts${n}`)
      .send(tsBody(n, { ...(n % 4 === 0 && { state: 'associated' }) }))
      .expect(200);
  then = await nva.head();
  await nva.http
    .put('/v1/tenant-systems/ts1/mac')
    .send({ mac: macOf(101) })
    .expect(200);
  for (const n of [7, 8, 9]) await nva.http.delete(`/v1/tenant-systems/ts${n}`).expect(200);
});
afterAll(() => nva.stop());

async function exported(query = ''): Promise<{ readonly file: Buffer; readonly name: string }> {
  const response = await fetch(`${nva.url}/v1/export${query}`);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'avro/binary']);
  return { file: Buffer.from(await response.arrayBuffer()), name: response.headers.get('content-disposition')! };
}

async function* pieces(file: Buffer): AsyncGenerator<Uint8Array, void> {
  yield file;
}

async function all(file: Buffer): Promise<readonly ArchivedEvent[]> {
  const found: ArchivedEvent[] = [];
  for await (const events of (await readArchive(pieces(file))).events) found.push(...events);
  return found;
}

describe('GET /v1/export', () => {
  it('has every event, and says in its header of which log it is and where it ends', async () => {
    const head = await nva.head();
    const { file, name } = await exported();
    expect(name).toBe(`attachment; filename="nva-${nva.server.core.store.logId}-${head}.avro"`);
    const { header } = await readArchive(pieces(file));
    expect([header.log, header.to]).toEqual([nva.server.core.store.logId, head]);
    const events = await all(file);
    expect(events.map(({ position }) => position)).toEqual(Array.from({ length: head }, (_, i) => i + 1));
    const { items } = (await nva.http.get('/v1/events?limit=1000').expect(200)).body;
    expect(events.map(({ stream, id, revision }) => [stream, id, revision])).toEqual(
      items.map((item: { stream: string; id: string; revision: number }) => [item.stream, item.id, item.revision]),
    );
  });

  it('ends at an instant', async () => {
    const { file } = await exported(`?to=${then}`);
    expect((await all(file)).at(-1)!.position).toBe(then);
    expect((await readArchive(pieces(file))).header.to).toBe(then);
  });

  it.each([
    ['?to=0', 422, 'nothing-then'],
    ['?to=x', 400, 'wrong-type'],
    ['?from=3', 400, 'unknown-field'],
  ])('refuses %s', async (query, status, code) => {
    expect((await nva.http.get(`/v1/export${query}`).expect(status)).body).toMatchObject({ code });
  });

  it('makes a log again that has the same events, positions, tables and digests (X16)', async () => {
    const { file } = await exported();
    const directory = await temporaryDirectory();
    const { header, events } = await readArchive(pieces(file));
    await importLog({ directory: join(directory.path, 'log'), logId: header.log, schemas: header.schemas, clock: systemClock }, events);
    const failed = (cause: unknown): never => {
      throw cause;
    };
    const other = await createService(readConfig({ PORT: '0', DATA_DIR: directory.path }), ROLES, { logger: silentLogger, failed });
    try {
      await until(() => other.core.ready);
      expect(other.core.store.logId).toBe(nva.server.core.store.logId);
      for (const path of [
        '/v1/vns',
        '/v1/vns/1/mappings',
        '/v1/vns/1',
        '/v1/tenant-systems?limit=1000',
        '/v1/nves/nve2/table',
        '/v1/events?limit=1000',
      ])
        expect((await supertest(other.url).get(path).expect(200)).body, path).toEqual((await nva.http.get(path).expect(200)).body);
      await supertest(other.url).put('/v1/nves/nve1/tenant-systems/ts70').send(tsBody(70)).expect(200);
    } finally {
      await other.close();
      await directory.remove();
    }
  });

  it('is refused where there is no history', async () => {
    const without = await startNva({ env: { HISTORY: 'false' } });
    try {
      expect((await without.http.get('/v1/export').expect(404)).body).toMatchObject({ code: 'not-found' });
    } finally {
      await without.stop();
    }
  });

  it('is read by fastavro, event by event, as the audit shows them (X16)', async () => {
    const { file } = await exported();
    const directory = await temporaryDirectory();
    const path = `${directory.path}.avro`;
    await writeFile(path, file);
    const modules = resolve(import.meta.dirname, '../../../.cache/fastavro');
    if (!existsSync(join(modules, 'fastavro')))
      execFileSync('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', modules, 'fastavro==1.13.1'], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
    const script = [
      'import sys, json, fastavro',
      'with open(sys.argv[1], "rb") as f:',
      '    reader = fastavro.reader(f, return_record_name=True)',
      '    print(json.dumps([[r["position"], r["stream"], r["revision"], r["id"], r["event"][0], r["event"][1]] for r in reader]))',
    ].join('\n');
    const text = execFileSync('python3', ['-c', script, path], {
      env: { ...process.env, PYTHONPATH: modules },
      maxBuffer: 64 * 1024 * 1024,
    });
    const { items } = (await nva.http.get('/v1/events?limit=1000').expect(200)).body;
    const read = JSON.parse(text.toString()) as readonly (readonly [number, string, number, string, string, Record<string, unknown>])[];
    expect(read).toHaveLength(items.length);
    for (const [i, [position, stream, revision, id, type, data]] of read.entries()) {
      expect({ position: String(position), stream, revision, id, type }).toEqual({
        position: items[i].position,
        stream: items[i].stream,
        revision: items[i].revision,
        id: items[i].id,
        type: `nvo3.event.v1.${items[i].type}`,
      });
      const { audit, ...rest } = data as { audit: { actor: string } };
      expect(audit.actor).toBe(items[i].actor);
      expect(rest).toEqual(items[i].data);
    }
    expect(await readFile(path)).toEqual(file);
    await directory.remove();
  });
});
