import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SEGMENT_RECORDS } from '@nva/in-process-feed';
import { NveClient, SseTransport } from '@nva/nve';
import { SseReader } from './sse-reader.ts';
import { attachLine, populate, postLines, startNva, until, type NvaFixture } from './support.ts';

let nva: NvaFixture;
let readers: SseReader[];

beforeEach(async () => {
  nva = await startNva({ env: { MAX_STREAMS: '5', MAX_STREAMS_PER_CALLER: '3' } });
  await populate(nva.http);
  readers = [];
});

afterEach(async () => {
  for (const reader of readers) reader.close();
  await nva.stop();
});

async function open(path = 'vns/1'): Promise<SseReader> {
  const reader = await SseReader.open(`${nva.url}/v1/${path}/feed`);
  readers.push(reader);
  return reader;
}

const metric = async (name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await nva.http.get('/metrics')).text)?.[1]);

describe('streams of feeds', () => {
  it('are limited for a caller: one more is 429 with a code and when to come again, until one ends', async () => {
    for (const path of ['vns/1', 'vns/2', 'nves/nve1']) expect((await open(path)).status).toBe(200);
    const refused = await nva.http.get('/v1/vns/9/feed').expect(429);
    expect(refused.headers['retry-after']).toBe('15');
    expect(refused.body).toMatchObject({ code: 'too-many-streams', expected: 3, actual: 3 });
    expect([await metric('nva_feed_streams'), await metric('nva_feed_streams_refused_total')]).toEqual([3, 1]);
    readers[0]!.close();
    await until(async () => (await metric('nva_feed_streams')) === 2);
    expect((await open('vns/9')).status).toBe(200);
  });

  it('are limited over all callers', () => {
    const { streams } = nva.server.core.distributorRole!;
    const left = ['a', 'a', 'a', 'b', 'b'].map((caller) => streams!.admit(caller));
    expect(() => streams!.admit('c')).toThrow(expect.objectContaining({ code: 'too-many-streams', detail: { expected: 5, actual: 5 } }));
    for (const leave of left) leave();
    expect(streams!.open).toBe(0);
  });

  it('are not counted for what is refused or is a HEAD', async () => {
    await nva.http.get('/v1/vns/77/feed').expect(404);
    await nva.http.head('/v1/vns/1/feed').expect(200);
    expect(await metric('nva_feed_streams')).toBe(0);
  });

  it('of a feed that nobody has read are filled in steps while the VN goes on changing, and are whole (R46)', async () => {
    const lines = Array.from({ length: 4_000 }, (_, i) => attachLine(i + 1, (i % 3) + 1));
    await postLines(nva.url, lines.slice(0, 3_000).join(''));
    const [first, ...rest] = await Promise.all([open(), open(), open(), postLines(nva.url, lines.slice(3_000).join(''))]);
    const keys = new Set<unknown>();
    const read = async (reader: SseReader): Promise<void> => {
      const table = new Map<unknown, unknown>();
      // The context and three members beside the mappings.
      while (table.size < 4_000 + 4) {
        const { data } = (await reader.take(1))[0]!;
        if ('key' in data) table.set(data['key'], data['position']);
      }
      keys.add([...table.keys()].toSorted().join());
    };
    await Promise.all([first, ...rest.slice(0, 2)].map((reader) => read(reader as SseReader)));
    expect(keys.size).toBe(1);
    expect(nva.server.core.distributorRole!.streams!.encoding.counters.pieces).toBeGreaterThanOrEqual(Math.floor(3_000 / SEGMENT_RECORDS));
  });

  it('that are refused for their number are asked for again by the NVE library when the server said, and then followed', async () => {
    for (let n = 0; n < 3; n++) await open();
    const delaysMs: number[] = [];
    const waiting: (() => void)[] = [];
    const timers = {
      after(delayMs: number, act: () => void) {
        delaysMs.push(delayMs);
        waiting.push(act);
        return () => void waiting.splice(waiting.indexOf(act), 1);
      },
    };
    const transport = new SseTransport({ baseUrl: nva.url, timers, random: () => 0.5 });
    const client = new NveClient({ nveId: 'nve1', transport });
    client.start();
    await until(() => delaysMs.includes(18_750));
    readers[0]!.close();
    await until(async () => (await metric('nva_feed_streams')) === 2);
    for (const act of waiting.splice(0)) act();
    await until(async () => (await metric('nva_feed_streams')) === 3);
    await client.close();
    await transport.close();
  });
});
