import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandNames } from '@nva/commands';
import { MAX_LINE_BYTES } from '../src/routes/ndjson.ts';
import {
  attachLine,
  line,
  macOf,
  nveBody,
  populate,
  postLines,
  startNva,
  tsBody,
  until,
  vnBody,
  type LinesBody,
  type NvaFixture,
} from './support.ts';

let nva: NvaFixture;

beforeEach(async () => {
  nva = await startNva();
  await populate(nva.http);
});

afterEach(() => nva.stop());

const post = (body: LinesBody, headers?: Record<string, string>) => postLines(nva.url, body, headers);

/** The body in pieces, as a slow caller sends it. */
function inPieces(...pieces: (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece);
    },
  });
}

describe('a line of NDJSON', () => {
  it('is a command by its name, one for each write, and answers as that write does', async () => {
    const commands: Record<(typeof commandNames)[number], object> = {
      putVn: { vnid: 7, ...vnBody() },
      connectNve: { nveId: 'nve7', ...nveBody(7) },
      heartbeat: { nveId: 'nve7', incarnation: 1, applied: [] },
      attach: { nveId: 'nve7', tsId: 'ts7', ...tsBody(7, { bindings: [{ vnid: 7, ip: '10.0.0.7', bid: 1 }] }) },
      registerBindings: { tsId: 'ts7', bindings: [{ vnid: 1, ip: '10.0.0.7', bid: 2 }] },
      registerBinding: { tsId: 'ts7', bid: 3, vnid: 2, vlan: 7 },
      changeMac: { tsId: 'ts7', mac: macOf(8) },
      connectionFailure: { tsId: 'ts7', nveId: 'nve7', vnid: 2 },
      deregisterBinding: { tsId: 'ts7', bid: 3 },
      passAddress: { tsId: 'ts7', to: 'ts9', vnid: 1, ip: '10.0.0.7' },
      detach: { tsId: 'ts7', nveId: 'nve7' },
      remove: { tsId: 'ts8' },
      deleteVn: { vnid: 7 },
      releaseVn: { vnid: 7, reason: 'its number is needed' },
      disconnectNve: { nveId: 'nve7', forget: true },
    };
    expect(Object.keys(commands).toSorted()).toEqual([...commandNames].toSorted());
    const first: Partial<Record<string, string>> = {
      remove: attachLine(8, 1),
      passAddress: line('attach', { nveId: 'nve1', tsId: 'ts9', ...tsBody(9, { bindings: [] }) }),
    };
    const lines = Object.entries(commands).map(([name, fields]) => (first[name] ?? '') + line(name, fields));
    const results = await post(lines.join(''));
    // What records nothing, as the heartbeat, is answered with what is there by then. A passing is two events, and answered from
    // the second.
    const positions = [7, 8, null, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23];
    expect(results.map(({ status, position }) => [status, position])).toEqual(
      positions.map((position) => [200, position === null ? expect.any(String) : String(position)]),
    );
    expect(results[4]).toEqual({ line: 5, status: 200, position: '10', revision: 1, effective: true, conflicts: [], memberships: [1, 7] });
  });

  it('that is nested 6,000 deep, after 4,000 good ones, fails alone and ends nothing (X6)', async () => {
    const deep = `{"command": "attach", "nveId": ${'['.repeat(6_000)}${']'.repeat(6_000)}}\n`;
    const good = Array.from({ length: 4_000 }, (_, i) => attachLine(i + 1, 1));
    const results = await post([...good, deep, attachLine(4_001, 1)].join(''));
    expect(results.map(({ status }) => status)).toEqual([...good.map(() => 200), 400, 200]);
    expect(results[4_000]).toEqual(expect.objectContaining({ code: 'too-deep', field: '' }));
    await nva.http.get('/healthz').expect(200);
  });

  it('that is wrong where it is deep is refused with the beginning of what was received', async () => {
    const [result] = await post(`{"command": "deleteVn", "vnid": ${'['.repeat(60)}"${'x'.repeat(50_000)}"${']'.repeat(60)}}\n`);
    expect(result).toMatchObject({
      status: 400,
      code: 'wrong-type',
      field: 'vnid',
      received: expect.stringMatching(/^\[{60}"x{100,200}\u2026/),
    });
    expect(JSON.stringify(result).length).toBeLessThan(1_000);
  });

  it('that is not UTF-8 fails alone, and a byte order mark is passed over where the body begins', async () => {
    const body = Buffer.concat([
      Buffer.from(`\ufeff${attachLine(1, 1)}`),
      Buffer.from('{"command": "deleteVn", "vnid": "\xff"}\n', 'latin1'),
      Buffer.from(`\ufeff${attachLine(2, 1)}${attachLine(3, 1)}`),
    ]);
    const results = await post(inPieces(body));
    expect(results.map(({ status, code }) => [status, code])).toEqual([
      [200, undefined],
      [400, 'text-encoding'],
      [400, 'malformed-json'],
      [200, undefined],
    ]);
  });

  it('that is bad fails alone', async () => {
    const before = await nva.head();
    const long = line('attach', { nveId: 'nve1', tsId: 'long', tenantId: 'x'.repeat(MAX_LINE_BYTES) });
    const results = await post(
      [
        attachLine(1, 1),
        '{"command": "attach",\n',
        '[]\n',
        line('teleport', { tsId: 'ts1' }),
        line('attach', { nveId: 'nve1', tsId: 'tsX', color: 'red' }),
        long,
        attachLine(2, 1, { mac: macOf(1) }),
        attachLine(3, 1, { bindings: [{ vnid: 9, ip: '10.0.0.3' }] }),
        '\u0000\u00ff\n',
        line('toString', {}),
        attachLine(4, 1),
      ].join(''),
    );
    expect(results.map(({ status, code, field }) => [status, code, field])).toEqual([
      [200, undefined, undefined],
      [400, 'malformed-json', ''],
      [400, 'wrong-type', ''],
      [400, 'unknown-command', 'command'],
      [400, 'unknown-field', 'color'],
      [413, 'body-too-large', ''],
      [409, 'duplicate-mac', 'mac'],
      [403, 'vn-of-another-tenant', 'vnid'],
      [400, 'malformed-json', ''],
      [400, 'unknown-command', 'command'],
      [200, undefined, undefined],
    ]);
    expect(results[5]).toMatchObject({ type: 'urn:nvo3:problem:body-too-large', received: Buffer.byteLength(long) - 1 });
    expect(await nva.head()).toBe(before + 2);
  });

  it('may be blank, end in CRLF, lack its newline at the end, or arrive in pieces', async () => {
    const first = attachLine(1, 1).trimEnd();
    const bytes = new TextEncoder().encode(`${first}\r\n\n  \r\n\t\n${attachLine(2, 1)}${attachLine(3, 1).trimEnd()}`);
    const cuts = [1, 100, first.length, first.length + 1, first.length + 2, bytes.length - 5];
    const pieces = cuts.map((cut, i) => bytes.slice(i === 0 ? 0 : cuts[i - 1], cut));
    const results = await post(inPieces(...pieces, bytes.slice(cuts.at(-1))));
    expect(results).toMatchObject([
      { line: 1, status: 200, position: '7' },
      { line: 5, status: 200, position: '8' },
      { line: 6, status: 200, position: '9' },
    ]);
  });

  it('is answered with its number in the request, from 1 on, taken or refused, and a blank line shifts none; errors of a line say the same number', async () => {
    const long = line('attach', { nveId: 'nve1', tsId: 'long', tenantId: 'x'.repeat(MAX_LINE_BYTES) });
    const results = await post(
      `\n${attachLine(1, 1)}\n \r\nno JSON\n${long}\n${attachLine(2, 9)}${'\n'.repeat(10_000)}${attachLine(3, 1)}`,
    );
    expect(results.map((result) => [result['line'], result['status']])).toEqual([
      [2, 200],
      [5, 400],
      [6, 413],
      [8, 404],
      [10_009, 200],
    ]);
    expect(results[1]!['detail']).toMatch(/^line 5 is not JSON/);
    // As before it: who looks at the beginning of an answer finds the status there.
    expect(Object.keys(results[0]!)[0]).toBe('status');
  });

  it('has a byte order mark only where the body begins, and not behind a blank line', async () => {
    expect(await post(`\n\ufeff${attachLine(1, 1)}`)).toMatchObject([{ line: 2, status: 400, code: 'malformed-json' }]);
  });

  it('is numbered over all of thousands', async () => {
    const results = await post(Array.from({ length: 1_000 }, (_, i) => (i % 7 === 3 ? '\n' : attachLine(i, 1))).join(''));
    expect(results.map((result) => result['line'])).toEqual(
      Array.from({ length: 1_000 }, (_, i) => i + 1).filter((n) => (n - 1) % 7 !== 3),
    );
  });

  it('that is too long is no matter of memory: its bytes are counted, not kept', async () => {
    const piece = 'x'.repeat(1_000_000);
    const results = await post(inPieces(attachLine(1, 1), ...Array.from({ length: 20 }, () => piece), '\n', attachLine(2, 1)));
    expect(results).toMatchObject([{ status: 200 }, { status: 413, received: 20_000_000 }, { status: 200 }]);
  });

  it('of exactly the bound is read, one byte more is not', async () => {
    const padded = (bytes: number): string => `${attachLine(1, 1).trimEnd().padEnd(bytes)}\n`;
    expect(await post(padded(MAX_LINE_BYTES) + padded(MAX_LINE_BYTES + 1))).toMatchObject([{ status: 200 }, { status: 413 }]);
  });

  it('has its own correlation id, or that of the request', async () => {
    await post(attachLine(1, 1) + attachLine(2, 1, { correlationId: 'line-2' }), { 'x-correlation-id': 'batch' });
    const { body } = await nva.http.get('/v1/events?after=6').expect(200);
    expect(body.items.map(({ correlationId }: { correlationId: string }) => correlationId)).toEqual(['batch', 'line-2']);
  });

  it('keeps ifRevision (X9)', async () => {
    expect(
      await post(attachLine(1, 1, { ifRevision: -1 }) + attachLine(1, 2, { ifRevision: 5 }) + attachLine(1, 2, { ifRevision: 0 })),
    ).toMatchObject([
      { status: 200, revision: 0 },
      { status: 409, code: 'revision-mismatch', actual: 0, row: 'X9' },
      { status: 200, revision: 1 },
    ]);
  });
});

describe('a batch of NDJSON', () => {
  it('answers nothing to nothing', async () => {
    expect(await post('')).toEqual([]);
    expect(await post('\n\r\n')).toEqual([]);
  });

  it('of thousands of lines is answered in order, each line deciding on all before it', async () => {
    const lines = 6_000;
    const body = Array.from({ length: lines }, (_, i) =>
      i % 10 === 9 ? attachLine(i - 1, 2) : i % 10 === 5 ? 'no JSON\n' : attachLine(i, 1),
    );
    const results = await post(body.join(''));
    expect(results).toHaveLength(lines);
    let position = 6;
    for (const [i, result] of results.entries()) {
      if (i % 10 === 5) expect(result).toMatchObject({ status: 400, code: 'malformed-json' });
      else expect(result).toMatchObject({ status: 200, position: String(++position), revision: i % 10 === 9 ? 1 : 0 });
    }
    expect(await nva.head()).toBe(position);
    expect((await nva.http.get('/v1/vns/1').expect(200)).body).toMatchObject({ members: 2, tenantSystems: 4_800 });
  });

  it('next to others: each has its own results in its own order', async () => {
    const batches = await Promise.all(
      [0, 1, 2, 3].map((b) => post(Array.from({ length: 1_000 }, (_, i) => attachLine(b * 1_000 + i, 1 + (b % 3))).join(''))),
    );
    for (const results of batches) {
      expect(results).toHaveLength(1_000);
      const positions = results.map(({ position }) => Number(position));
      expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    }
    expect(await nva.head()).toBe(4_006);
  });

  it('is answered while it is being sent', async () => {
    const call = request(`${nva.url}/v1/commands`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } });
    const response = new Promise<AsyncIterable<Buffer>>((resolve, reject) => call.on('response', resolve).on('error', reject));
    call.write(attachLine(1, 1));
    const results = (await response)[Symbol.asyncIterator]();
    expect(JSON.parse(String((await results.next()).value))).toMatchObject({ status: 200, position: '7' });
    call.write(attachLine(2, 1));
    expect(JSON.parse(String((await results.next()).value))).toMatchObject({ status: 200, position: '8' });
    call.end();
    expect(await results.next()).toMatchObject({ done: true });
  });

  it('whose caller goes away keeps what was decided, and leaves nothing in flight', async () => {
    const call = request(`${nva.url}/v1/commands`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } });
    const gone = new Promise((resolve) => call.on('error', resolve).on('close', resolve));
    const answered = new Promise((resolve) => call.on('response', (response) => response.once('data', resolve).on('error', () => {})));
    for (let n = 0; n < 2_000; n++) call.write(attachLine(n, 1));
    await answered;
    call.destroy();
    await gone;
    await until(() => nva.server.core.registrarRole!.registrar.commandsInFlight === 0);
    expect(await post(attachLine(0, 1))).toMatchObject([{ status: 200, position: '7', revision: 0 }]);
  });
});
