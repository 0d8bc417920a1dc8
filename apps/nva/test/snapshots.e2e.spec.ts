import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import supertest from 'supertest';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TableDigest } from '@nva/codec';
import { SseReader } from '../../service/test/sse-reader.ts';
import { attachLine, populate, postLines, temporaryDirectory, tsBody, until } from '../../service/test/support.ts';
import { NvaProcess } from './nva-process.ts';

const EVERY_EVENTS = 400;
const ROUNDS = 3;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let last: NvaProcess | null;

beforeEach(async () => {
  directory = await temporaryDirectory();
  last = null;
});
afterEach(async () => {
  await last?.end('SIGKILL');
  await directory.remove();
});

async function started(everyEvents = EVERY_EVENTS): Promise<{ process: NvaProcess; url: string; said: (message: string) => number }> {
  const process = (last = new NvaProcess({
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: directory.path,
    SNAPSHOT_EVERY_EVENTS: String(everyEvents),
    SNAPSHOT_OLDER_MB: '0',
  }));
  const url = await process.url();
  await until(async () => (await fetch(`${url}/readyz`)).status === 200);
  return { process, url, said: (message) => process.lines.filter(({ msg }) => msg === message).length };
}

/** Every VN's table as its feed tells it, with its digest, and how each NVE and tenant system stands. */
async function state(url: string): Promise<unknown> {
  const tables = [];
  for (const vnid of [1, 2, 9]) {
    const feed = await SseReader.open(`${url}/v1/vns/${vnid}/feed`);
    const [, ...events] = await feed.snapshot();
    feed.close();
    const digest = new TableDigest();
    const records = events
      .slice(0, -1)
      .map(({ data: { key, value, position } }) => ({ key: String(key), value, position: String(position) }));
    for (const { key, position } of records) digest.set(key, Number(position), null);
    tables.push({ vnid, records: records.toSorted((a, b) => (a.key < b.key ? -1 : 1)), digest: digest.toString() });
  }
  const get = async (path: string): Promise<unknown> => (await supertest(url).get(path)).body as unknown;
  return {
    tables,
    vn: await get('/v1/vns/1'),
    nves: [await get('/v1/nves/nve1'), await get('/v1/nves/nve2')],
    ts: await get('/v1/tenant-systems/ts7'),
  };
}

it('a process killed with snapshots on shows the same tables, positions, digests and idempotent answers after every restart', async () => {
  const first = await started();
  await populate(supertest(first.url));
  const keyed = (url: string, n: number) =>
    supertest(url)
      .put(`/v1/nves/nve3/tenant-systems/keyed${n}`)
      .set('idempotency-key', `key-${n}`)
      .send(tsBody(200 + n, { mac: `02:00:00:aa:00:0${n}`, bindings: [{ vnid: 1, ip: `10.9.0.${n}` }] }));
  const answers: unknown[] = [];
  let { url, process, said } = first;
  for (let round = 0; round < ROUNDS; round++) {
    answers.push((await keyed(url, round + 1).expect(200)).body);
    // Registers, moves and detaches, more than one snapshot's worth; the last of them after it was written.
    await postLines(url, Array.from({ length: EVERY_EVENTS }, (_, n) => attachLine(round * EVERY_EVENTS + n, 1 + (n % 3))).join(''));
    await until(() => said('a snapshot is written') > 0);
    await postLines(url, Array.from({ length: 60 }, (_, n) => attachLine(n, 1 + ((n + round + 1) % 3))).join(''));
    await supertest(url).delete(`/v1/tenant-systems/ts${round}`).expect(200);
    const before = await state(url);
    await process.end('SIGKILL');
    ({ url, process, said } = await started());
    expect(said('the fold goes on from a snapshot')).toBe(1);
    expect(await state(url)).toEqual(before);
    for (const [i, answer] of answers.entries()) expect((await keyed(url, i + 1).expect(200)).body).toEqual(answer);
  }
  const before = await state(url);
  await process.end('SIGKILL');
  expect((await readdir(join(directory.path, 'snapshots'))).filter((name) => name.endsWith('.snapshot'))).toHaveLength(2);
  const replayed = await started(0);
  expect(replayed.said('the fold goes on from a snapshot')).toBe(0);
  expect(await state(replayed.url)).toEqual(before);
});
