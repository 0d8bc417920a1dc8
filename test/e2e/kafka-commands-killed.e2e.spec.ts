import { createHash, randomInt, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEventCodec, type CommandLine, type CommandOutcome } from '@nva/codec';
import { SqliteEventStore } from '@nva/event-log';
import { KafkaCommandTransport } from '@nva/kafka';
import { KafkaCommands } from '@nva/nve';
import { systemClock } from '@nva/ports';
import { until } from '@nva/processes';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KafkaFeedUnderTest } from '../../libs/kafka/test/kafka-feed.ts';
import { NvaProcess } from './nva-process.ts';

const ROUNDS = 4;
const NVES = ['nve1', 'nve2', 'nve3'];
const COMMANDS_AT_ONCE = 150;
const MAX_LOAD_MS = 600;
const OK = 200;

/** Numbers below `bound` that follow from the seed alone (xorshift32). */
function chance(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

interface Sent {
  readonly line: CommandLine;
  readonly idempotencyKey: string;
  outcome: CommandOutcome | null;
}

let feed: KafkaFeedUnderTest;
let directory: string;
let senders: KafkaCommands[];
let nva: NvaProcess | undefined;
beforeEach(async () => {
  feed = await KafkaFeedUnderTest.make();
  directory = await mkdtemp(join(tmpdir(), 'nva-commands-killed-'));
});
afterEach(async () => {
  await Promise.all(senders.map((sender) => sender.close()));
  await nva?.kill();
  await feed.dispose();
  await rm(directory, { recursive: true });
});

const secretOf = (nveId: string): Buffer => createHash('sha256').update(nveId).digest();
const hex = (n: number): string => n.toString(16).padStart(2, '0');
const mac = (n: number): string => `02:00:00:${hex((n >> 16) & 255)}:${hex((n >> 8) & 255)}:${hex(n & 255)}`;

it('a registrar killed in the middle of its batches, several times: every command from Kafka has one event and an outcome (X1, R33)', async ({
  annotate,
}) => {
  const seed = Number(process.env['E2E_SEED'] ?? randomInt(1, 2 ** 31));
  await annotate(`E2E_SEED=${seed}`);
  process.stdout.write(`kafka-commands-killed: E2E_SEED=${seed}\n`);
  const below = chance(seed);
  const keysFile = join(directory, 'keys.json');
  await writeFile(keysFile, JSON.stringify({ nves: NVES.map((nveId) => ({ nveId, keys: [secretOf(nveId).toString('base64')] })) }), {
    mode: 0o600,
  });
  const options = {
    brokers: feed.brokers,
    prefix: feed.prefix,
    dataDir: join(directory, 'data'),
    env: { KAFKA_COMMANDS: 'true', KAFKA_COMMAND_PARTITIONS: '4', COMMAND_KEYS_FILE: keysFile },
  };
  senders = NVES.map(
    (nveId) =>
      new KafkaCommands({
        nveId,
        secret: secretOf(nveId),
        transport: new KafkaCommandTransport({ brokers: feed.brokers, prefix: feed.prefix, nveId }),
        resendAfterMs: 3_000,
      }),
  );

  const sent: Sent[] = [];
  const waiting = new Set<Promise<void>>();
  let macs = 0;
  let tenantSystems = 0;
  let answered = 0;
  const next = (nve: number): CommandLine => {
    const nveId = NVES[nve]!;
    const mine = sent.filter(({ line }) => line.command === 'attach' && line['nveId'] === nveId);
    const choice = below(8);
    if (choice < 4 || mine.length < 10)
      return { command: 'attach', nveId, tsId: `${nveId}-${tenantSystems++}`, tenantId: 'red', vmId: 'vm', mac: mac(macs++), bindings: [] };
    if (choice === 7) return { command: 'detach', nveId, tsId: `${nveId}-never` };
    return { command: 'changeMac', tsId: String(mine[below(mine.length)]!.line['tsId']), mac: mac(macs++) };
  };
  const load = async (ended: () => boolean): Promise<void> => {
    while (!ended()) {
      while (waiting.size >= COMMANDS_AT_ONCE && !ended()) await sleep(1);
      const nve = below(NVES.length);
      const entry: Sent = { line: next(nve), idempotencyKey: randomUUID(), outcome: null };
      sent.push(entry);
      const done = senders[nve]!.send(entry.line, { idempotencyKey: entry.idempotencyKey }).then((outcome) => {
        entry.outcome = outcome;
        answered++;
        waiting.delete(done);
      });
      waiting.add(done);
    }
  };

  for (let round = 0; round < ROUNDS; round++) {
    nva = await NvaProcess.start(options);
    await nva.ready();
    if (round === 0) {
      const connect = NVES.map((nveId, i) => ({
        command: 'connectNve',
        nveId,
        siteId: 's',
        mac: `02:00:00:00:ff:0${i}`,
        addresses: [`198.51.100.${i + 1}`],
      }));
      expect(await nva.commands(connect)).toEqual(connect.map(() => OK));
    }
    let killed = false;
    const before = answered;
    const loading = load(() => killed);
    await until('outcomes come', () => (answered > before + COMMANDS_AT_ONCE ? null : `${answered - before} came`), 30_000);
    await sleep(below(MAX_LOAD_MS));
    killed = true;
    await nva.kill();
    await loading;
  }
  nva = await NvaProcess.start(options);
  const inTheAir = waiting.size;
  await Promise.all(waiting);
  process.stdout.write(`kafka-commands-killed: ${sent.length} commands, ${inTheAir} of them without an outcome at the last kill\n`);
  await nva.kill();

  const store = await SqliteEventStore.open({ directory: join(options.dataDir, 'log'), codec: createEventCodec(), clock: systemClock });
  const events = new Map<string, number[]>();
  for await (const batch of store.readAll()) {
    for (const { position, event } of batch.events) {
      const { idempotencyKey } = event.data.audit;
      if (idempotencyKey !== null) events.set(idempotencyKey, [...(events.get(idempotencyKey) ?? []), position]);
    }
  }
  await store.close();
  const codes = new Map<string, number>();
  for (const { line, idempotencyKey, outcome } of sent) {
    const code = `${line.command} ${outcome!.code ?? outcome!.status}`;
    codes.set(code, (codes.get(code) ?? 0) + 1);
    expect(events.get(idempotencyKey) ?? [], code).toEqual(outcome!.code === null ? [outcome!.position] : []);
  }
  expect([...codes.keys()].toSorted().filter((code) => !['attach 200', 'changeMac 200'].includes(code))).toEqual(['detach ts-not-at-nve']);
}, 600_000);
