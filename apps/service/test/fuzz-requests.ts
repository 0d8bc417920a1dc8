import fc from 'fast-check';
import { connect } from 'node:net';
import { damaged, nastyJson, nastyText } from '../../../test/fuzz.ts';
import { nveBody, tsBody, vnBody } from './support.ts';

/** A request as bytes, and whether it could change anything. */
export interface RawRequest {
  readonly head: string;
  readonly body: Buffer;
}

const BINDINGS = {
  bindings: [
    { bid: 1, vnid: 1, ip: '10.0.0.7', lifetimeS: 60 },
    { bid: 2, vnid: 2, vlan: 7 },
  ],
};
/** A body that is in order, for each call that takes one. */
const GOOD_BODIES: Readonly<Record<string, object>> = {
  'PUT /v1/vns/{vnid}': vnBody({ context: { access: { qos: 'gold' }, tunnel: {} } }),
  'PUT /v1/nves/{nveId}': nveBody(4, { leaseS: 60 }),
  'POST /v1/nves/{nveId}/heartbeat': { incarnation: 1, applied: [{ vnid: 1, log: '0'.repeat(36), position: '1', digest: '0'.repeat(16) }] },
  'PUT /v1/nves/{nveId}/tenant-systems/{tsId}': tsBody(7, { logicalInterface: 'tap0', state: 'associated', placement: 'add' }),
  'POST /v1/tenant-systems/{tsId}/bindings': BINDINGS,
  'PUT /v1/tenant-systems/{tsId}/bindings/{bid}': { vnid: 1, ip: '2001:db8::1' },
  'PUT /v1/tenant-systems/{tsId}/mac': { mac: '02:00:00:00:00:77' },
  'POST /v1/tenant-systems/{tsId}/connection-failure': { nveId: 'nve1', vnid: 1 },
  'POST /v1/commands': { command: 'attach', nveId: 'nve1', tsId: 'ts9', ...tsBody(9) },
};

/** A good body in which one value, anywhere, is another. */
const bent = (good: object): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.nat(40),
      fc.oneof(
        nastyText.map((text) => JSON.stringify(text)),
        nastyJson.filter((json) => json.length < 2_000),
      ),
    )
    .map(([at, value]) => {
      const text = JSON.stringify(good);
      const values = [...text.matchAll(/:("[^"]*"|-?\d+|\{|\[)/g)];
      const { index, 0: found } = values[at % values.length]!;
      // Where an object or a list begins, what follows makes it no JSON, which is as good.
      return `${text.slice(0, index + 1)}${value}${text.slice(index + found.length)}`;
    });

const bytesFor = (call: string): fc.Arbitrary<Buffer> => {
  const good = GOOD_BODIES[call];
  if (!good)
    return fc.oneof(
      { weight: 8, arbitrary: fc.constant(Buffer.alloc(0)) },
      nastyJson.map((text) => Buffer.from(text)),
    );
  return fc.oneof(
    { weight: 4, arbitrary: bent(good).map((text) => Buffer.from(text)) },
    { weight: 2, arbitrary: nastyJson.map((text) => Buffer.from(text)) },
    { weight: 2, arbitrary: damaged(Buffer.from(JSON.stringify(good))) },
    { weight: 2, arbitrary: fc.constant(Buffer.from(JSON.stringify(good))) },
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(...Object.values(GOOD_BODIES)).map((other) => Buffer.from(JSON.stringify(other))),
    fc.constant(Buffer.alloc(0)),
  );
};

/** What HTTP takes for the value of a header, for the most part: what it does not take never comes further than its parser. */
const headerValue = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .oneof(
      { weight: 9, arbitrary: text.map((value) => value.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?')) },
      { weight: 1, arbitrary: text.map((value) => Buffer.from(value.replaceAll(/[\r\n]/g, '?'), 'latin1').toString('latin1')) },
    )
    .map((value) => value.slice(0, 4_000));
const inUrl = (text: string): string => encodeURIComponent(text.toWellFormed()).slice(0, 2_000);

const param: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('1', '2', '9', '77', 'nve1', 'nve2', 'ts1', 'ts7', '0', '16777216') },
  nastyText.map(inUrl),
  fc.constantFrom('%', '%zz', '%c3%28', '%2f', '%2e%2e', '*', ';', '%00'),
);
const query: fc.Arbitrary<string> = fc.oneof(
  { weight: 2, arbitrary: fc.constant('') },
  fc
    .array(
      fc.tuple(
        fc.oneof(
          fc.constantFrom('after', 'limit', 'at', 'vnid', 'ip', 'mac', 'mode', 'entity', 'conflicted', 'forget', 'ifRevision'),
          nastyText.map(inUrl),
        ),
        fc.oneof(
          fc.constantFrom('1', '0', '1000', 'true', 'direct', 'redirect', '10.0.0.1', 'ts-ts1', '-1'),
          nastyText.map(inUrl),
          fc.constant('%ff'),
        ),
      ),
      { maxLength: 3 },
    )
    .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.map((pair) => pair.join('=')).join('&')}`)),
);

/** Positions that are ahead are waited for; here nobody has the time. */
const minPosition = fc
  .oneof(fc.constantFrom('0', '1', '-1', '01', '1e3', '9'.repeat(17), ''), nastyText)
  .filter((text) => !/^[1-9]\d+$/.test(text));
const TYPES = [
  'application/json',
  'application/json; charset=utf-16',
  'application/x-ndjson',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
  '/',
  '',
];
const HEADERS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  'X-Correlation-Id': nastyText,
  'traceparent': fc.oneof(nastyText, fc.constant(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`)),
  'Idempotency-Key': fc.oneof(nastyText, fc.constantFrom('key-1', 'key-2')),
  'X-Min-Position': minPosition,
  'Last-Event-ID': fc.oneof(
    nastyText,
    fc.tuple(fc.constantFrom('0'.repeat(36), 'x'), nastyText).map((parts) => parts.join('/')),
  ),
  'X-Forwarded-Group': nastyText,
  'Authorization': nastyText,
  'Accept-Encoding': nastyText,
};
const header: fc.Arbitrary<string> = fc
  .constantFrom(...Object.keys(HEADERS))
  .chain((name) => headerValue(HEADERS[name]!).map((value) => `${name}: ${value}\r\n`));
const headers: fc.Arbitrary<string> = fc
  .tuple(
    fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, { weight: 4, arbitrary: fc.array(header, { maxLength: 3 }) }),
    fc.oneof({ weight: 9, arbitrary: fc.constant('application/json') }, { weight: 3, arbitrary: fc.constantFrom(...TYPES) }),
  )
  .map(([others, type]) => `${others.join('')}Content-Type: ${type}\r\n`);

const otherMethod = fc.oneof(
  { weight: 8, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE') },
);

/** Any request to any of the calls, which are given as `METHOD /path/{param}`. */
export function requests(calls: readonly string[]): fc.Arbitrary<RawRequest> {
  return fc
    .constantFrom(...calls)
    .chain((call) =>
      fc.tuple(
        fc.constant(call),
        otherMethod,
        fc.array(param, { minLength: 3, maxLength: 3 }),
        query,
        headers,
        bytesFor(call),
        fc.constantFrom('length', 'length', 'length', 'chunked', 'none'),
      ),
    )
    .map(([call, other, params, search, fields, bytes, framing]) => {
      const [method, path] = call.split(' ') as [string, string];
      const filled = path.replaceAll(/\{[^}]+\}/g, () => params.pop()!);
      const [framed, sent] =
        framing === 'length'
          ? [`Content-Length: ${bytes.length}\r\n`, bytes]
          : framing === 'none'
            ? ['', Buffer.alloc(0)]
            : ['Transfer-Encoding: chunked\r\n', chunked(bytes)];
      return {
        head: `${other ?? method} ${filled}${search} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${fields}${framed}\r\n`,
        body: sent,
      };
    });
}

const chunked = (bytes: Buffer): Buffer =>
  Buffer.concat([
    ...(bytes.length === 0 ? [] : [Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]),
    Buffer.from('0\r\n\r\n'),
  ]);

export interface RawAnswer {
  /** null where the server closed without an answer. */
  readonly status: number | null;
  readonly text: string;
}

/** A server that says nothing for so long hangs. */
const SILENCE_LIMIT_MS = 120_000;

/** Sends it as it is. A stream is left once it has begun. */
export function send(url: string, { head, body: bytes }: RawRequest): Promise<RawAnswer> {
  const { port, hostname } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    socket.setTimeout(SILENCE_LIMIT_MS, () => socket.destroy(new Error(`nothing came for ${SILENCE_LIMIT_MS} ms after ${head}`)));
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      if (/^content-type: text\/event-stream/im.test(text)) socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error),
    );
    socket.on('close', () => resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? Number.NaN) || null, text }));
    socket.write(head, 'latin1');
    socket.write(bytes);
  });
}
