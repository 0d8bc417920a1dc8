import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { damaged, FUZZ_TIMEOUT_MS, fuzzing, nastyJson, replay } from '../../../test/fuzz.ts';
import { requests, send, type RawAnswer, type RawRequest } from './fuzz-requests.ts';
import { attachLine, populate, postLines, startNva, tsBody, type NvaFixture } from './support.ts';

/** What may be answered with 503, since it is so: another try may find it otherwise. No other code of 5xx may. */
const LEGITIMATE_503 = new Set(['behind', 'contention', 'log-unavailable', 'outcome-unknown', 'overloaded', 'starting']);
/** Requests on their way at once. */
const AT_ONCE = 8;

let nva: NvaFixture;
let calls: string[];

beforeEach(async () => {
  nva = await startNva();
  await populate(nva.http);
  await nva.http.put('/v1/nves/nve1/tenant-systems/ts1').send(tsBody(1)).expect(200);
  const { body } = await nva.http.get('/openapi.json').expect(200);
  calls = Object.entries((body as { paths: Record<string, object> }).paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  calls.push('GET /docs', 'GET /openapi.json', 'GET /nowhere', 'PUT /v1/vns', 'GET *');
});

afterEach(() => nva.stop());

/** Whether an answer is one that a caller may get, whatever he sent: refused as a problem with a code, and no fault of ours. */
function isInOrder({ head }: RawRequest, { status, text }: RawAnswer): boolean {
  if (status === null || status < 400) return true;
  const code = /"code":"([a-z-]+)"/.exec(text)?.[1];
  if (status < 500) return code !== undefined || head.startsWith('HEAD ');
  // An answer to HEAD has no body that says why, but says when to try again.
  if (status === 503 && head.startsWith('HEAD ')) return /^retry-after:/im.test(text);
  return status === 503 && (LEGITIMATE_503.has(code ?? '') || text.includes('"ready":false'));
}

/** A change for each write that was accepted at most; one request of NDJSON may hold several lines. */
const accepted = (answers: readonly RawAnswer[]): number =>
  answers.reduce(
    (sum, { status, text }) => sum + (status !== null && status < 300 ? Math.max(1, text.split('"status":20').length - 1) : 0),
    0,
  );

describe(`whatever is sent (${replay})`, () => {
  it(
    'to any call, the process lives, answers nothing with 5xx, and what is refused changes nothing (X6)',
    async () => {
      let sent = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(requests(calls), { minLength: AT_ONCE, maxLength: AT_ONCE }), async (batch) => {
          const before = await nva.head();
          const answers = await Promise.all(batch.map((request) => send(nva.url, request)));
          for (const [i, answer] of answers.entries())
            if (!isInOrder(batch[i]!, answer))
              expect.unreachable(`${batch[i]!.head}${batch[i]!.body.toString('latin1').slice(0, 500)}\n=> ${answer.text.slice(0, 1_000)}`);
          expect((await nva.head()) - before).toBeLessThanOrEqual(accepted(answers));
          sent += batch.length;
        }),
        fuzzing,
      );
      expect(sent).toBeGreaterThan(0);
      await nva.http.get('/healthz').expect(200);
    },
    FUZZ_TIMEOUT_MS,
  );

  it(
    'as NDJSON, every good line gets its own answer in its place, however the bytes are cut (X6)',
    async () => {
      let next = 100;
      /** A new tenant system in these VNs. */
      const attach = (vnids: readonly number[]): Buffer => {
        const n = next++;
        const bindings = vnids.map((vnid, i) => ({
          vnid,
          ...(vnids.length > 1 && { bid: i + 1 }),
          ...(vnid === 1 ? { ip: `10.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}` } : { vlan: 1 + (n % 4_000) }),
        }));
        return Buffer.from(attachLine(n, 1, { bindings }).trimEnd());
      };
      const good = fc.constantFrom<number[]>([], [1], [2], [1, 2]);
      const bad = fc
        .oneof(
          nastyJson.map((json) => Buffer.from(json)),
          fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
          fc.constant(Buffer.alloc(70_000, 0x61)),
          damaged(Buffer.from(attachLine(1, 1))).filter((bytes) => !isJson(bytes)),
        )
        .map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0x0a)));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.oneof(good, bad), { maxLength: 30 }),
          fc.array(fc.nat(5_000), { maxLength: 20 }),
          fc.boolean(),
          async (drawn, cuts, ended) => {
            const lines = drawn.map((one) => (Buffer.isBuffer(one) ? { bytes: one, vnids: null } : { bytes: attach(one), vnids: one }));
            const bytes = Buffer.concat(
              lines.flatMap((line, i) => [line.bytes, ...(ended || i < lines.length - 1 ? [Buffer.from('\n')] : [])]),
            );
            const before = await nva.head();
            const results = await postLines(nva.url, pieces(bytes, cuts));
            const expected = lines.filter(({ bytes: line }) => !isBlank(line));
            expect(results.length).toBe(expected.length);
            for (const [i, { vnids, bytes: line }] of expected.entries()) {
              const told = `${line.toString('latin1').slice(0, 300)} => ${JSON.stringify(results[i])}`;
              if (vnids) expect(results[i], told).toMatchObject({ status: 200, revision: 0, memberships: vnids });
              else expect(results[i]!['status'], told).toSatisfy((status: number) => status >= 400 && status < 500);
            }
            expect((await nva.head()) - before).toBe(expected.filter(({ vnids }) => vnids).length);
          },
        ),
        fuzzing,
      );
      await nva.http.get('/healthz').expect(200);
    },
    FUZZ_TIMEOUT_MS,
  );

  it(
    'as headers of a feed, it is a stream or a refusal',
    async () => {
      const feeds = requests(['GET /v1/vns/1/feed', 'GET /v1/nves/nve1/feed']);
      await fc.assert(
        fc.asyncProperty(feeds, async (request) => {
          const get = { ...request, head: request.head.replace(/^[A-Z]+/, 'GET') };
          const answer = await send(nva.url, get);
          expect(isInOrder(get, answer), `${request.head} => ${answer.text.slice(0, 500)}`).toBe(true);
        }),
        fuzzing,
      );
      await nva.http.get('/healthz').expect(200);
    },
    FUZZ_TIMEOUT_MS,
  );
});

const isBlank = (line: Buffer): boolean => line.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

/** The bytes in pieces that end where `cuts` say. */
function pieces(bytes: Buffer, cuts: readonly number[]): ReadableStream<Uint8Array> {
  const ends = [...new Set([...cuts.filter((cut) => cut > 0 && cut < bytes.length), bytes.length])].toSorted((a, b) => a - b);
  let from = 0;
  return new ReadableStream({
    pull(controller) {
      const end = ends.shift();
      if (end === undefined) return controller.close();
      if (end > from) controller.enqueue(bytes.subarray(from, end));
      from = end;
    },
  });
}
