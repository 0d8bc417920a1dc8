import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../src/index.ts';
import { readHttpLimits } from '../src/config/http-limits.ts';
import { attachLine, populate, postLines, startNva, until, vnBody, type Environment, type NvaFixture } from './support.ts';
import { exchange, Pressing } from './raw-connections.ts';

let nva: NvaFixture;

afterEach(() => nva.stop());

const start = async (env: Environment): Promise<void> => void (nva = await startNva({ env }));
const metric = async (name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await nva.http.get('/metrics').expect(200)).text)?.[1]);
const put = (headers: string, body: string): string =>
  `PUT /v1/vns/7 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}`;

describe('a request', () => {
  it('whose headers do not come in time is answered 408, and its connection closed', async () => {
    await start({ HEADERS_TIMEOUT_S: '2' });
    const answers = await Promise.all([exchange(nva.url, 'GET /healthz HTTP/1.1\r\nHost: loc'), exchange(nva.url)]);
    for (const answer of answers)
      expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*application\/problem\+json[\s\S]*"code":"request-timeout"/);
    expect(await metric('nva_requests_timed_out_total')).toBe(2);
  });

  it('whose body is sent by half is answered 408, changes nothing, and its connection is closed', async () => {
    await start({ BODY_TIMEOUT_S: '1' });
    const body = JSON.stringify(vnBody());
    const before = await nva.head();
    const [half, chunked] = await Promise.all([
      exchange(nva.url, put(`Content-Length: ${body.length}`, body.slice(0, 20))),
      exchange(nva.url, put('Transfer-Encoding: chunked', '5\r\n{"ten\r\n')),
    ]);
    for (const answer of [half, chunked]) expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"request-timeout"/);
    expect(await nva.head()).toBe(before);
    expect(await metric('nva_requests_timed_out_total')).toBe(2);
  });

  it('that was refused before its body was there is not waited for', async () => {
    await start({ BODY_TIMEOUT_S: '1' });
    const answer = await exchange(nva.url, put('Content-Length: 1000\r\nX-Correlation-Id: two words', '{'));
    expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*X-Correlation-Id/);
  });

  it('that is no HTTP is answered with a problem', async () => {
    await start({});
    expect(await exchange(nva.url, '\u0016\u0003\u0001\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"malformed-body"/);
    expect(await exchange(nva.url, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 [\s\S]*"code":"headers-too-large"/,
    );
  });
});

describe('a stream of commands', () => {
  it('may take longer than any body, as long as it goes on', async () => {
    await start({ BODY_TIMEOUT_S: '1' });
    await populate(nva.http);
    const startedAt = performance.now();
    const lines = 8;
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (sent === lines) return controller.close();
        await new Promise((resolve) => setTimeout(resolve, 250));
        controller.enqueue(new TextEncoder().encode(attachLine(++sent, 1)));
      },
    });
    const results = await postLines(nva.url, body);
    expect(results.map(({ status }) => status)).toEqual(Array.from({ length: lines }, () => 200));
    expect(performance.now() - startedAt).toBeGreaterThan(1_500);
  });

  it('that stands still is ended, and what was decided stays', async () => {
    nva = await startNva({ config: { http: { ...readHttpLimits({}), idleTimeoutS: 1 } } });
    await populate(nva.http);
    const line = attachLine(1, 1);
    const answer = await exchange(
      nva.url,
      `POST /v1/commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n${line.length.toString(16)}\r\n${line}\r\n`,
    );
    expect(answer).toMatch(/"status":200/);
    expect(await metric('nva_requests_timed_out_total')).toBe(1);
    await nva.http.get('/v1/tenant-systems/ts1').expect(200);
  });
});

describe('connections', () => {
  it('that have shown nothing make room for each other, the oldest first, and never for one with a caller', async () => {
    await start({ MAX_UNAUTHENTICATED_CONNECTIONS: '8' });
    const known = connect(Number(new URL(nva.url).port), '127.0.0.1');
    known.write('GET /v1/vns HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(known, 'data');
    const pressing = new Pressing(nva.url, { count: 40, beginnings: ['', 'GET / HTTP/1.1\r\n'] });
    await until(() => pressing.closed > 100);
    expect(known.readableEnded || known.destroyed).toBe(false);
    known.write('GET /v1/vns HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(String((await once(known, 'data'))[0])).toMatch(/^HTTP\/1\.1 200/);
    expect(await metric('nva_connections_unauthenticated')).toBeLessThanOrEqual(8);
    expect(await metric('nva_connections_evicted_total')).toBeGreaterThan(100);
    await pressing.end();
    known.destroy();
  });

  it('are never more than there may be in all', async () => {
    await start({ MAX_CONNECTIONS: '10', MAX_UNAUTHENTICATED_CONNECTIONS: '10' });
    const pressing = new Pressing(nva.url, { count: 40, beginnings: ['GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'] });
    await until(() => pressing.closed > 60);
    expect(await metric('nva_connections')).toBeLessThanOrEqual(10);
    await pressing.end();
  });

  it('with callers, when there are too many, make room by the one that was used longest ago, and by none with a request', async () => {
    await start({ MAX_CONNECTIONS: '4', MAX_UNAUTHENTICATED_CONNECTIONS: '4' });
    await populate(nva.http);
    const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const open = async (path: string): Promise<Socket> => {
      const socket = connect(Number(new URL(nva.url).port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(request(path));
      await once(socket, 'data');
      return socket;
    };
    await until(() => nva.server.connections.count === 0);
    const feed = await open('/v1/vns/1/feed');
    const idle = [await open('/v1/vns/1'), await open('/v1/vns/1'), await open('/v1/vns/1')];
    idle[0]!.write(request('/v1/vns/2'));
    await once(idle[0]!, 'data');
    const gone = once(idle[1]!, 'close');
    const fifth = await open('/v1/vns/1');
    await gone;
    expect([feed, idle[0]!, idle[2]!, fifth].map(({ readableEnded, destroyed }) => readableEnded || destroyed)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    for (const socket of [feed, ...idle, fifth]) socket.destroy();
  });

  it('have bounds by the files that the process may have open, and a configuration beyond that is refused', async () => {
    await start({});
    expect(readHttpLimits({}, 256)).toMatchObject({ maxConnections: 192, maxUnauthenticated: 96 });
    expect(readHttpLimits({}, 1_024)).toMatchObject({ maxConnections: 768, maxUnauthenticated: 384 });
    expect(readHttpLimits({}, 1_000_000)).toMatchObject({ maxConnections: 10_000, maxUnauthenticated: 1_000 });
    expect(() => readHttpLimits({ MAX_CONNECTIONS: '193' }, 256)).toThrow(/^MAX_CONNECTIONS: expected 192 at most.*got «193»/);
    for (const wrong of [
      { HEADERS_TIMEOUT_S: '0' },
      { BODY_TIMEOUT_S: '1m' },
      { IDLE_TIMEOUT_S: '5' },
      { KEEP_ALIVE_S: '-1' },
      { MAX_CONNECTIONS: '0' },
      { MAX_CONNECTIONS: '10', MAX_UNAUTHENTICATED_CONNECTIONS: '11' },
    ])
      expect(() => readConfig(wrong)).toThrow(ConfigError);
  });
});
