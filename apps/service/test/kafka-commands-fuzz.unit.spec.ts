import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { commandOf, commandSignature, createCommandCodec, type CommandLine } from '@nva/codec';
import { parseLine } from '@nva/commands';
import { Refusal } from '@nva/identifiers';
import { receivedCommand } from '../../../libs/kafka/src/command-format.ts';
import { silentLogger, systemClock } from '@nva/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { damaged, FUZZ_TIMEOUT_MS, fuzzing, nastyText, replay } from '../../../test/fuzz.ts';
import { CommandKeys } from '../src/access/command-keys.ts';
import { CommandReader } from '../src/commands-over-kafka/command-reader.ts';
import { outcomeMessage } from '../src/commands-over-kafka/outcome-message.ts';
import { Tokens } from '../src/access/tokens.ts';

type Message = Parameters<typeof receivedCommand>[2];

const TOPIC = 'nvo3.commands';
const secret = createHash('sha256').update('secret').digest();
const codec = createCommandCodec();
const LINES: readonly CommandLine[] = [
  {
    command: 'attach',
    nveId: 'nve1',
    tsId: 'ts1',
    tenantId: 'red',
    vmId: 'vm1',
    mac: '02:00:00:00:00:01',
    logicalInterface: 'tap0',
    bindings: [{ bid: 1, vnid: 7, vlan: 9, ip: '2001:db8::1', lifetimeS: 0 }, { vnid: 8 }],
  },
  { command: 'connectNve', nveId: 'nve1', siteId: 's', mac: '02:00:00:00:ff:01', addresses: ['192.0.2.1'], incarnation: 3, leaseS: 60 },
  { command: 'registerBinding', tsId: 'ts1', bid: 0, vnid: 1, ip: '10.0.0.1', ifRevision: 2 },
  { command: 'deregisterBinding', tsId: 'ts1', bid: 0 },
];

let directory: string;
let reader: CommandReader;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'nva-command-fuzz-'));
  const file = join(directory, 'keys.json');
  writeFileSync(file, JSON.stringify({ nves: [{ nveId: 'nve1', keys: [secret.toString('base64')] }] }), { mode: 0o600 });
  const keys = CommandKeys.read(file, Tokens.none());
  reader = new CommandReader(() => keys, createCommandCodec(), systemClock, silentLogger, { note: () => undefined });
});

afterAll(() => rmSync(directory, { recursive: true }));

const text = fc.oneof(nastyText, fc.constantFrom('ts1', 'nve/nve1', 'nve1', 'key-1'));
const bent = fc.tuple(fc.constantFrom(...LINES), fc.nat(20), nastyText).map(([line, at, value]) => {
  const names = Object.keys(line).filter((name) => name !== 'command' && typeof line[name] === 'string');
  return codec.encode(commandOf({ ...line, [names[at % names.length]!]: value } as CommandLine));
});
const values: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 3, arbitrary: bent },
  { weight: 3, arbitrary: fc.constantFrom(...LINES).chain((line) => damaged(codec.encode(commandOf(line)))) },
  fc
    .tuple(fc.constantFrom(...LINES), fc.uint8Array({ maxLength: 80 }))
    .map(([line, body]) => Buffer.concat([codec.encode(commandOf(line)).subarray(0, 10), body])),
  fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
  fc.constant(Buffer.alloc(100_000)),
);
const messages: fc.Arbitrary<Message> = fc
  .record({
    value: values,
    key: fc.oneof(fc.constantFrom('ts1', 'nve/nve1'), text),
    forged: fc.boolean(),
    headers: fc.dictionary(text, text, { maxKeys: 3 }),
    timestamp: fc.oneof({ weight: 5, arbitrary: fc.constant('now') }, fc.constantFrom('0', '-1', 'x', '9'.repeat(30))),
  })
  .map(({ value, key, forged, headers, timestamp: at }) => {
    const timestamp = at === 'now' ? systemClock.wallMs() : Number(at);
    const ids = { nveId: 'nve1', correlationId: 'c', idempotencyKey: 'k' };
    const signature = commandSignature(secret, {
      topic: TOPIC,
      key,
      ...ids,
      timestamp: Number.isSafeInteger(timestamp) ? timestamp : 0,
      value,
    }).toString('hex');
    const proper = { 'nve': ids.nveId, 'correlation-id': ids.correlationId, 'idempotency-key': ids.idempotencyKey, signature };
    return {
      key: Buffer.from(key),
      value,
      timestamp: at === 'now' ? String(timestamp) : at,
      attributes: 0,
      offset: '3',
      headers: forged ? { ...proper, ...headers } : proper,
    } as unknown as Message;
  });

describe(`a command on Kafka, whatever it is (${replay})`, () => {
  it(
    'is counted as nobody\u2019s, or is a line, or is refused with an outcome that can be written; it never throws anything else (X6)',
    () => {
      let decided = 0;
      let refused = 0;
      fc.assert(
        fc.property(messages, (message) => {
          const read = reader.read(receivedCommand(TOPIC, 0, message));
          if (read === null) return;
          let refusal: Refusal | null = read.content instanceof Refusal ? read.content : null;
          try {
            if (!(read.content instanceof Refusal)) parseLine(read.content);
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            refusal = error;
          }
          if (!refusal) return void decided++;
          refused++;
          const outcome = codec.decode(codec.encode(outcomeMessage(read.sender, { refusal })));
          expect(outcome).toMatchObject({
            type: 'CommandOutcome',
            data: { status: expect.toSatisfy((status: number) => status >= 400 && status < 500), code: refusal.code },
          });
        }),
        fuzzing,
      );
      // Both happen, or it has tried nothing.
      expect(Math.min(decided, refused)).toBeGreaterThan(0);
    },
    FUZZ_TIMEOUT_MS,
  );
});
