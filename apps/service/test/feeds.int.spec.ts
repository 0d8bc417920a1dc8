import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SseReader, type SseEvent } from './sse-reader.ts';
import { macOf, populate, startNva, tsBody, until, vnBody, type NvaFixture } from './support.ts';

let nva: NvaFixture;
let log: string;
let readers: SseReader[];

beforeEach(async () => {
  nva = await startNva();
  await populate(nva.http);
  log = nva.server.core.store.logId;
  readers = [];
});

afterEach(async () => {
  for (const reader of readers) reader.close();
  await nva.stop();
});

async function open(path: string, lastEventId?: string): Promise<SseReader> {
  const reader = await SseReader.open(`${nva.url}/v1/${path}/feed`, lastEventId === undefined ? {} : { 'last-event-id': lastEventId });
  readers.push(reader);
  return reader;
}

const attach = (n: number, nve: number, fields: object = {}) =>
  nva.http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).send(tsBody(n, fields)).expect(200);
const detach = (n: number, nve: number) => nva.http.delete(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).expect(200);
/** Key, position, id; a removal in brackets. */
const brief = ({ data, id }: SseEvent): string =>
  `${data['value'] === null ? `(${String(data['key'])})` : String(data['key'])} ${String(data['position'])}${id === undefined ? '' : ` #${id.replace(log, 'log')}`}`;

describe('the feed of a VN', () => {
  it('tells hello, what is there without ids, that it is complete, then every change as it comes (R36, R46)', async () => {
    await attach(1, 1);
    const feed = await open('vns/1');
    expect(feed.status).toBe(200);
    expect(feed.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(feed.headers['cache-control']).toBe('no-store');
    const [hello, ...rest] = await feed.snapshot();
    expect(hello).toEqual({ event: 'hello', data: { log, mode: 'snapshot' } });
    expect(rest.at(-1)).toEqual({ event: 'snapshot-complete', id: `${log}/7`, data: {} });
    expect(rest.slice(0, -1).map(brief).toSorted()).toEqual(['context 1', 'mapping/ts1/10.0.0.1 7', 'member/nve1 7']);

    await attach(2, 2);
    const [joined, mapped] = await feed.take(2);
    expect(joined).toEqual({
      data: {
        key: 'member/nve2',
        value: { nveId: 'nve2', mac: '02:00:00:00:ff:02', addresses: ['198.51.100.2'], reachable: true },
        position: '8',
        eventType: 'TenantSystemAttached',
        correlationId: expect.any(String),
        recordedAt: expect.any(Number),
      },
    });
    expect(mapped).toMatchObject({
      id: `${log}/8`,
      data: {
        key: 'mapping/ts2/10.0.0.2',
        value: {
          tsId: 'ts2',
          bid: null,
          mac: macOf(2),
          ip: '10.0.0.2',
          vlan: null,
          attachments: [{ nveId: 'nve2', state: 'activated' }],
          mobility: 0,
          via: null,
        },
        position: '8',
      },
    });
  });

  it('tells removals first, then members, then mappings; only the last record of a change has an id (R55)', async () => {
    await attach(1, 1);
    const feed = await open('vns/1');
    await feed.snapshot();
    await attach(1, 2);
    expect((await feed.take(3)).map(brief)).toEqual(['(member/nve1) 8', 'member/nve2 8', 'mapping/ts1/10.0.0.1 8 #log/8']);
    await detach(1, 2);
    expect((await feed.take(2)).map(brief)).toEqual(['(mapping/ts1/10.0.0.1) 9', '(member/nve2) 9 #log/9']);
    await nva.http.delete('/v1/vns/1').expect(200);
    expect((await feed.take(1)).map(brief)).toEqual(['(context) 10 #log/10']);
  });

  it('never tells the logical interface (R11), nor anything of another VN', async () => {
    const feed = await open('vns/1');
    await feed.snapshot();
    await attach(1, 1, { logicalInterface: 'port-77' });
    await attach(2, 1, { bindings: [{ vnid: 2, vlan: 22 }] });
    await attach(3, 1);
    const events = await feed.take(3);
    expect(events.map(brief)).toEqual(['member/nve1 7', 'mapping/ts1/10.0.0.1 7 #log/7', 'mapping/ts3/10.0.0.3 9 #log/9']);
    expect(JSON.stringify(events)).not.toContain('port-77');
  });

  it('resumes after Last-Event-ID, removals included', async () => {
    await attach(1, 1);
    await attach(2, 1);
    await attach(3, 2);
    await detach(2, 1);
    await attach(1, 2);
    const feed = await open('vns/1', `${log}/8`);
    const [hello, ...events] = await feed.snapshot();
    expect(hello).toEqual({ event: 'hello', data: { log, mode: 'resume' } });
    const told = events.slice(0, -1).map(brief);
    expect(told).toEqual([
      'member/nve2 9',
      'mapping/ts3/10.0.0.3 9 #log/9',
      '(mapping/ts2/10.0.0.2) 10 #log/10',
      '(member/nve1) 11',
      'mapping/ts1/10.0.0.1 11 #log/11',
    ]);
    expect(events.at(-1)).toEqual({ event: 'snapshot-complete', id: `${log}/11`, data: {} });
    await detach(3, 2);
    expect((await feed.take(1)).map(brief)).toEqual(['(mapping/ts3/10.0.0.3) 12 #log/12']);
  });

  it('resumes at its end with nothing to tell', async () => {
    await attach(1, 1);
    const [hello, complete] = await (await open('vns/1', `${log}/7`)).snapshot();
    expect(hello!.data).toMatchObject({ mode: 'resume' });
    expect(complete).toEqual({ event: 'snapshot-complete', id: `${log}/7`, data: {} });
  });

  it.each([
    ['of another log', () => `${randomUUID()}/7`],
    ['that is none', () => 'yesterday'],
    ['without a position', () => `${log}/`],
  ])('begins with a snapshot after a Last-Event-ID %s', async (_, lastEventId) => {
    await attach(1, 1);
    const events = await (await open('vns/1', lastEventId())).snapshot();
    expect(events[0]!.data).toEqual({ log, mode: 'snapshot' });
    expect(events).toHaveLength(5);
  });

  it('after a restart resumes from where the log was, and begins anew from before that', async () => {
    await attach(1, 1);
    await attach(2, 1);
    await nva.restart();
    await detach(2, 1);
    const [hello, ...events] = await (await open('vns/1', `${log}/8`)).snapshot();
    expect(hello!.data).toEqual({ log, mode: 'resume' });
    expect(events.map(({ id }) => id)).toEqual([`${log}/9`, `${log}/9`]);
    expect((await (await open('vns/1', `${log}/7`)).snapshot())[0]!.data).toEqual({ log, mode: 'snapshot' });
  });
});

describe('the feed of a VN that is deleted', () => {
  const paths = ['/v1/vns/1', '/v1/vns/1/members', '/v1/vns/1/mappings', '/v1/vns/1/feed'];

  it('is answered as the reads are, 404 vn-unknown, also to who resumes; who follows it is told what goes, and of the one made anew', async () => {
    await attach(1, 1);
    const feed = await open('vns/1');
    await feed.snapshot();
    await detach(1, 1);
    await nva.http.delete('/v1/vns/1').expect(200);
    expect((await feed.take(3)).map(brief)).toEqual(['(mapping/ts1/10.0.0.1) 8', '(member/nve1) 8 #log/8', '(context) 9 #log/9']);
    for (const path of paths)
      expect((await nva.http.get(path).expect(404)).body, path).toMatchObject({ code: 'vn-unknown', field: 'vnid', received: 1 });
    expect((await nva.http.get('/v1/vns/1/feed').set('last-event-id', `${log}/8`).expect(404)).body).toMatchObject({ code: 'vn-unknown' });
    await nva.http.head('/v1/vns/1/feed').expect(404);
    await nva.restart();
    for (const path of paths) expect((await nva.http.get(path).expect(404)).body, path).toMatchObject({ code: 'vn-unknown' });
    await nva.http
      .put('/v1/vns/1')
      .send(vnBody({ name: 'again' }))
      .expect(200);
    for (const path of paths.slice(0, -1)) await nva.http.get(path).expect(200);
    expect((await (await open('vns/1')).snapshot()).map(({ event }) => event)).toContain('snapshot-complete');
  });
});

describe('the feed of an NVE', () => {
  it('tells where it is to listen, and since when (X8, R35)', async () => {
    const feed = await open('nves/nve1');
    expect((await feed.snapshot()).map(({ event }) => event)).toEqual(['hello', 'snapshot-complete']);
    await attach(1, 1);
    expect(await feed.take(1)).toMatchObject([
      { id: `${log}/7`, data: { key: 'vn/1', value: { vnid: 1, topic: 'nvo3.vn.1', since: '7' }, position: '7' } },
    ]);
    await attach(1, 2);
    expect((await feed.take(1)).map(brief)).toEqual(['(vn/1) 8 #log/8']);
  });
});

describe('a feed', () => {
  it.each([
    ['/v1/vns/77/feed', 404, { code: 'vn-unknown', field: 'vnid', received: 77 }],
    ['/v1/vns/0/feed', 400, { code: 'vnid-out-of-range', field: 'vnid', received: 0 }],
    ['/v1/nves/nowhere/feed', 404, { code: 'not-found' }],
    ['/v1/nves/a%20b/feed', 400, { code: 'id-malformed', field: 'nveId', received: 'a b' }],
    ['/v1/vns/1/feed?at=1', 400, { code: 'unknown-field', field: 'at' }],
  ])('%s is refused as a problem', async (path, status, problem) => {
    const response = await nva.http.get(path).expect(status);
    expect(response.headers['content-type']).toMatch('application/problem+json');
    expect(response.body).toMatchObject(problem);
  });

  it('is followed while the consumer is there, which the metric tells; a HEAD follows nothing', async () => {
    const followers = async () => Number(/^nva_feed_followers (\d+)$/m.exec((await nva.http.get('/metrics')).text)?.[1]);
    const feeds = [await open('vns/1'), await open('vns/1'), await open('nves/nve1')];
    for (const feed of feeds) await feed.snapshot();
    expect(await followers()).toBe(3);
    await nva.http.head('/v1/vns/1/feed').expect(200).expect('content-type', 'text/event-stream; charset=utf-8');
    expect(await followers()).toBe(3);
    feeds[0]!.close();
    await until(async () => (await followers()) === 2);
    feeds[2]!.close();
    await until(async () => (await followers()) === 1);
    await attach(1, 1);
    expect(await feeds[1]!.take(2)).toHaveLength(2);
  });

  it('ends when the server stops, after everything that was answered', async () => {
    const feed = await open('vns/1');
    await feed.snapshot();
    await attach(1, 1);
    const [, closed] = await Promise.all([feed.take(2), nva.restart()]);
    expect(closed).toBeUndefined();
    expect(await feed.next()).toBeNull();
  });
});
