import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SseReader } from './sse-reader.ts';
import { populate, startNva, tsBody, until, type NvaFixture } from './support.ts';

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');

let directory: string;
let nva: NvaFixture;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-tokens-'));
  const file = join(directory, 'tokens.json');
  await writeFile(
    file,
    JSON.stringify({ operators: [{ name: 'alice', sha256: sha256('alice') }], nves: [{ nveId: 'nve1', sha256: sha256('nve1') }] }),
  );
  nva = await startNva({ env: { TOKENS_FILE: file } });
  await populate(nva.http, 'alice');
});

afterEach(async () => {
  await nva.stop();
  await rm(directory, { recursive: true });
});

const attach = (n: number, nve: number) =>
  nva.http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).set('authorization', 'Bearer alice').send(tsBody(n)).expect(200);
const follow = (path: string, token: string) => SseReader.open(`${nva.url}/v1/${path}/feed`, { authorization: `Bearer ${token}` });

describe('the feed of a VN', () => {
  it('ends for an NVE that has left the VN, which is told nothing that came after (R49)', async () => {
    await attach(1, 1);
    const feed = await follow('vns/1', 'nve1');
    await feed.snapshot();
    await attach(2, 2);
    expect((await feed.take(2)).map(({ data }) => data['key'])).toEqual(['member/nve2', 'mapping/ts2/10.0.0.2']);
    await attach(1, 2);
    await attach(3, 2);
    const rest: unknown[] = [];
    for (let event = await feed.next(); event !== null; event = await feed.next()) rest.push(event.data['key']);
    expect(rest).toEqual([]);
    await until(() => nva.server.core.distributorRole!.inProcessFeed!.followers === 0);
    expect((await follow('vns/1', 'nve1')).status).toBe(403);
  });

  it('goes on for an operator, and for an NVE that is in the VN by another tenant system', async () => {
    await attach(1, 1);
    await attach(2, 1);
    const feeds = [await follow('vns/1', 'nve1'), await follow('vns/1', 'alice')];
    for (const feed of feeds) await feed.snapshot();
    await attach(1, 2);
    await attach(3, 2);
    for (const feed of feeds) {
      expect((await feed.take(3)).map(({ data }) => data['key'])).toEqual(['member/nve2', 'mapping/ts1/10.0.0.1', 'mapping/ts3/10.0.0.3']);
      feed.close();
    }
  });

  it('leaves the NVE its own feed, which tells that it left and that it is back (X8)', async () => {
    await attach(1, 1);
    const own = await follow('nves/nve1', 'nve1');
    await own.snapshot();
    await attach(1, 2);
    await attach(1, 1);
    expect((await own.take(2)).map(({ data }) => data['value'] !== null)).toEqual([false, true]);
    const feed = await follow('vns/1', 'nve1');
    expect((await feed.snapshot()).at(-1)).toMatchObject({ event: 'snapshot-complete' });
    for (const reader of [own, feed]) reader.close();
  });
});
