import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TableDigest } from '@nva/codec';
import supertest from 'supertest';
import { NvaProcess } from './nva-process.ts';
import { SseReader } from '../../service/test/sse-reader.ts';
import { attachLine, populate, postLines, temporaryDirectory, until } from '../../service/test/support.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let processes: NvaProcess[];

beforeEach(async () => {
  directory = await temporaryDirectory();
  processes = [];
});

afterEach(async () => {
  for (const process of processes) await process.end('SIGKILL');
  await directory.remove();
});

function start(env: Readonly<Record<string, string>> = {}): NvaProcess {
  const process = new NvaProcess({ HOST: '127.0.0.1', PORT: '0', DATA_DIR: directory.path, ...env });
  processes.push(process);
  return process;
}

/** Starts it and waits until the feeds can be followed. */
async function started(): Promise<{ process: NvaProcess; url: string; http: ReturnType<typeof supertest> }> {
  const process = start();
  const url = await process.url();
  const http = supertest(url);
  await until(async () => (await http.get('/readyz')).status === 200);
  return { process, url, http };
}

interface Load {
  /** Results so far, as they came. */
  readonly results: Readonly<Record<string, unknown>>[];
  /** Resolves when this many have come. */
  came(count: number): Promise<void>;
  /** Resolves when the answer has ended, however. */
  readonly ended: Promise<'whole' | 'broken'>;
}

/** Sends lines as NDJSON and takes the results as they come, whole lines only. */
function load(url: string, lines: readonly string[]): Load {
  const results: Record<string, unknown>[] = [];
  let waiting: { readonly count: number; readonly resolve: () => void } | null = null;
  const call = request(`${url}/v1/commands`, { method: 'POST', agent: false, headers: { 'content-type': 'application/x-ndjson' } });
  const ended = new Promise<'whole' | 'broken'>((resolve) => {
    call.on('error', () => resolve('broken'));
    call.on('response', (response) => {
      response.on('error', () => resolve('broken')).on('end', () => resolve('whole'));
      createInterface({ input: response })
        .on('line', (line) => {
          // The last line of an answer that broke off may be cut.
          if (!line.endsWith('}')) return;
          results.push(JSON.parse(line) as Record<string, unknown>);
          if (waiting && results.length >= waiting.count) waiting.resolve();
        })
        .on('error', () => resolve('broken'));
    });
  });
  call.end(lines.join(''));
  return { results, ended, came: (count) => new Promise((resolve) => (waiting = { count, resolve })) };
}

/** Every event after a position, by position. */
async function eventsOf(url: string, after = 0): Promise<Map<string, { stream: string; revision: number }>> {
  const events = new Map<string, { stream: string; revision: number }>();
  for (let next: string | undefined = String(after); next !== undefined;) {
    const page = (await (await fetch(`${url}/v1/events?limit=1000&after=${next}`)).json()) as {
      items: { position: string; stream: string; revision: number }[];
      next?: string;
    };
    for (const { position, stream, revision } of page.items) events.set(position, { stream, revision });
    next = page.next;
  }
  return events;
}

/** A VN's table as its feed tells it, sorted, with its digest. */
async function tableOf(url: string, vnid: number): Promise<{ records: unknown[]; digest: string; end: unknown }> {
  const feed = await SseReader.open(`${url}/v1/vns/${vnid}/feed`);
  const [, ...events] = await feed.snapshot();
  feed.close();
  const digest = new TableDigest();
  const records = events
    .slice(0, -1)
    .map(({ data: { key, value, position } }) => ({ key: String(key), value, position: String(position) }));
  for (const { key, position } of records) digest.set(key, Number(position), null);
  return { records: records.toSorted((a, b) => (a.key < b.key ? -1 : 1)), digest: digest.toString(), end: events.at(-1)!.id };
}

describe('the process', () => {
  it('tells where it listens in a line of JSON, takes writes, and ends with 0 on SIGTERM', async () => {
    const { process, url, http } = await started();
    expect(process.lines.find((line) => 'url' in line)).toMatchObject({
      level: 'info',
      msg: 'the NVA listens',
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      docs: `${url}/docs`,
      dataDir: directory.path,
      position: '0',
    });
    await populate(http);
    const feed = await SseReader.open(`${url}/v1/vns/1/feed`);
    await feed.snapshot();
    expect(await process.end()).toEqual({ code: 0, signal: null });
    expect(await feed.next()).toBeNull();
    expect(process.lines.at(-1)).toMatchObject({ msg: 'stopped' });
    expect(process.errors).toBe('');
  });

  it('ends at once after a body that was refused, and never came whole', async () => {
    const { process, url } = await started();
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('PUT /v1/vns/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n{');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
    expect(await process.end()).toEqual({ code: 0, signal: null });
  });

  it('answers everything in flight before it ends', async () => {
    const { process, url, http } = await started();
    await populate(http);
    const lines = Array.from({ length: 5_000 }, (_, n) => attachLine(n, 1 + (n % 3)));
    const { results, came, ended } = load(url, lines);
    await came(1);
    expect(await process.end()).toEqual({ code: 0, signal: null });
    expect(await ended).toBe('whole');
    expect(results).toHaveLength(lines.length);
    expect(results.every(({ status }) => status === 200)).toBe(true);
    const again = await started();
    expect((await eventsOf(again.url)).size).toBe(6 + lines.length);
  });

  it('shows the same tables, positions and digests after a restart', async () => {
    const { process, url, http } = await started();
    await populate(http);
    await postLines(url, Array.from({ length: 300 }, (_, n) => attachLine(n, 1 + (n % 3))).join(''));
    await postLines(url, Array.from({ length: 100 }, (_, n) => attachLine(n, 1 + ((n + 1) % 3))).join(''));
    const before = {
      table: await tableOf(url, 1),
      nve: (await http.get('/v1/nves/nve1/table?limit=1000')).body,
      members: (await http.get('/v1/vns/1/members')).body,
      events: await eventsOf(url),
    };
    expect(await process.end()).toMatchObject({ code: 0 });
    const again = await started();
    const { url: newUrl, http: newHttp } = again;
    expect({
      table: await tableOf(newUrl, 1),
      nve: (await newHttp.get('/v1/nves/nve1/table?limit=1000')).body,
      members: (await newHttp.get('/v1/vns/1/members')).body,
      events: await eventsOf(newUrl),
    }).toEqual(before);
    const [log, position] = String(before.table.end).split('/');
    await newHttp
      .post('/v1/nves/nve1/heartbeat')
      .send({ incarnation: 1, applied: [{ vnid: 1, log, position, digest: before.table.digest }] })
      .expect(200);
    expect((await newHttp.get('/v1/nves/nve1')).body.memberships).toMatchObject([{ vnid: 1, applied: { verdict: 'same' } }]);
  });

  it('is refused a directory that another one has, which goes on unharmed', async () => {
    const { http } = await started();
    const second = start();
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.errors).toMatch(/^nva: .*nva.*is open in another store.*\n$/s);
    await populate(http);
  });

  it.each([
    [{ PORT: 'http' }, /^nva: PORT: expected an integer from 0 to 65535, got «http»\n$/],
    [{ HOST: '0.0.0.0' }, /^nva: HOST: 0\.0\.0\.0 can be reached from outside, so TOKENS_FILE is needed/],
    [{ TOKENS_FILE: '/nowhere/tokens.json' }, /^nva: TOKENS_FILE: \/nowhere\/tokens\.json cannot be read/],
  ])('stops at a wrong value in one line, with exit 1: %j', async (env, message) => {
    const process = start(env);
    expect(await process.exited).toEqual({ code: 1, signal: null });
    expect(process.errors).toMatch(message);
    expect(process.lines).toEqual([]);
  });
});

describe('SIGKILL under load', () => {
  it('loses no line that was answered, round after round', async () => {
    const rounds = 4;
    const perRound = 4_000;
    const answered = new Map<string, { stream: string; revision: number }>();
    const ends: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const { process, url, http } = await started();
      if (round === 0) await populate(http);
      const lines = Array.from({ length: perRound }, (_, n) => attachLine(round * perRound + n, 1 + (n % 3)));
      const { results, came, ended } = load(url, lines);
      await came(300 + round * 400);
      await process.end('SIGKILL');
      ends.push(await ended);
      for (const [i, { status, position, revision }] of results.entries()) {
        expect(status).toBe(200);
        answered.set(String(position), { stream: `ts-ts${round * perRound + i}`, revision: Number(revision) });
      }
    }
    expect(ends).toContain('broken');
    const { url, http } = await started();
    const events = await eventsOf(url);
    expect(answered.size).toBeGreaterThan(rounds * 300);
    for (const [position, event] of answered) expect(events.get(position), `position ${position}`).toEqual(event);
    expect((await http.get('/v1/vns/1').expect(200)).body.tenantSystems).toBe(events.size - 6);
  });
});
