import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandLine, SignedParts } from '@nva/codec';
import { silentLogger } from '@nva/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CommandKeys } from '../src/access/command-keys.ts';
import { MAX_CLOCK_SKEW_MS, MAX_COMMAND_AGE_MS } from '../src/commands-over-kafka/command-reader.ts';
import { ConfigError, createService, readConfig } from '../src/index.ts';
import { Tokens } from '../src/access/tokens.ts';
import { CommandTopics, OPERATOR_TOKEN, secretOf } from './kafka-commands-support.ts';
import { macOf, populate, tsBody, until } from './support.ts';

type Nva = Awaited<ReturnType<typeof createService>>;

let directory: string;
let topics: CommandTopics;
let nva: Nva;
const warnings: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-signed-'));
  topics = await CommandTopics.make(directory);
  const logger = {
    ...silentLogger,
    warn: (message: string, fields: Readonly<Record<string, unknown>> = {}) => void warnings.push({ message, fields }),
  };
  const env = { ...topics.env, PORT: '0', DATA_DIR: join(directory, 'data') };
  nva = await createService(readConfig(env), ['registrar', 'distributor', 'admin'], {
    logger,
    failed: (cause) => {
      throw cause;
    },
  });
  const { default: supertest } = await import('supertest');
  await populate(supertest(nva.url), OPERATOR_TOKEN);
  await topics.sender('nve1').send(attach(1));
});

afterAll(async () => {
  await nva.close();
  await topics.dispose();
  await rm(directory, { recursive: true });
});

const attach = (n: number, nveId = 'nve1'): CommandLine => ({ command: 'attach', nveId, tsId: `ts${n}`, ...tsBody(n) });
const changeMac: CommandLine = { command: 'changeMac', tsId: 'ts1', mac: macOf(66) };
const head = async (): Promise<number> => (await nva.core.store.head()).position;

/** What an auditor reads of refused attempts. */
async function attempts(): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const response = await fetch(`${nva.url}/v1/refused?limit=1000`, { headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } });
  return ((await response.json()) as { items: Readonly<Record<string, unknown>>[] }).items;
}

/** Everything before it in its partition has been taken when a command of the same key is answered. */
async function drained(): Promise<void> {
  const idempotencyKey = randomUUID();
  await topics.write({ command: 'detach', nveId: 'nve1', tsId: 'ts1', ifRevision: 99 }, { idempotencyKey }, secretOf('nve1'));
  await until(async () => (await topics.outcomes('nve1')).some((outcome) => outcome.idempotencyKey === idempotencyKey));
}

type Tamper = Parameters<CommandTopics['write']>[3];
const FORGED: readonly (readonly [what: string, parts: Partial<SignedParts>, signer: Buffer | null, tamper: Tamper])[] = [
  ['no signature', {}, null, {}],
  ['the key of another NVE', {}, secretOf('nve2'), {}],
  ['a right key, and the name of another NVE put over it', {}, secretOf('nve2'), { nve: 'nve1' }],
  ['a right key under another NVE\u2019s name from the start', { nveId: 'nve2' }, secretOf('nve1'), {}],
  ['an unknown NVE', { nveId: 'nve9' }, secretOf('nve9'), {}],
  ['another value', {}, secretOf('nve1'), { value: Buffer.from('c301', 'hex') }],
  ['another record key', { key: 'ts2' }, secretOf('nve1'), { key: 'ts1' }],
  ['another Idempotency-Key', {}, secretOf('nve1'), { 'idempotency-key': 'again' }],
  ['another correlation id', {}, secretOf('nve1'), { 'correlation-id': 'other' }],
  ['another time', {}, secretOf('nve1'), { timestamp: String(Date.now() - 60_000) }],
  ['a signature for another topic', { topic: 'nvo3.commands' }, secretOf('nve1'), {}],
  ['an id that is no id', { idempotencyKey: 'a b' }, secretOf('nve1'), {}],
];

describe('an NVE cannot speak for another', () => {
  it.each(FORGED)('with %s: counted, logged with topic and offset, answered nowhere', async (_, parts, signer, tamper) => {
    await drained();
    const before = {
      head: await head(),
      counted: nva.commands!.counters.unauthenticated,
      answered: (await Promise.all(['nve1', 'nve2', 'nve3'].map((nveId) => topics.outcomes(nveId)))).flat().length,
    };
    warnings.length = 0;
    await topics.write(changeMac, parts, signer, tamper);
    await until(() => nva.commands!.counters.unauthenticated > before.counted);
    await drained();
    expect(nva.commands!.counters.unauthenticated).toBe(before.counted + 1);
    expect(warnings).toEqual([
      {
        message: expect.stringContaining('was refused'),
        fields: expect.objectContaining({ topic: topics.topic, partition: expect.any(Number), offset: expect.stringMatching(/^\d+$/) }),
      },
    ]);
    const { fields } = warnings[0]!;
    expect(await attempts()).toContainEqual(
      expect.objectContaining({
        caller: null,
        claims: fields!['claims'],
        record: { topic: topics.topic, partition: fields!['partition'], offset: fields!['offset'] },
        command: null,
        code: 'unauthenticated',
      }),
    );
    expect(await head()).toBe(before.head);
    expect((await Promise.all(['nve1', 'nve2', 'nve3'].map((nveId) => topics.outcomes(nveId)))).flat()).toHaveLength(before.answered + 1);
  });

  it('with its own signature: it is refused what is another\u2019s, on its own topic', async () => {
    expect(await topics.sender('nve2').send(changeMac)).toMatchObject({ status: 403, code: 'forbidden' });
    expect(await topics.sender('nve2').send(attach(2, 'nve1'))).toMatchObject({ status: 403, code: 'forbidden', field: 'nveId' });
    expect((await attempts()).slice(-2)).toMatchObject([
      {
        caller: 'nve:nve2',
        claims: null,
        address: null,
        record: { topic: topics.topic },
        command: 'changeMac',
        entity: 'ts-ts1',
        code: 'forbidden',
        correlationId: expect.any(String),
      },
      { caller: 'nve:nve2', command: 'attach', entity: 'ts-ts2', code: 'forbidden' },
    ]);
  });
});

describe('a record that is no command', () => {
  it('is counted, logged and skipped: garbage, and signed garbage, which is answered as malformed', async () => {
    const counted = nva.commands!.counters;
    warnings.length = 0;
    await topics.sendRaw([
      { key: 'ts1', value: null },
      { key: 'ts1', value: 'hello' },
      {
        key: 'ts1',
        value: Buffer.alloc(9, 255),
        headers: { 'nve': 'nve1', 'signature': 'no', 'correlation-id': 'c', 'idempotency-key': 'k' },
      },
    ]);
    for (const value of [Buffer.from('c3010000000000000000', 'hex'), Buffer.from('{}'), Buffer.alloc(0)])
      await topics.write(changeMac, { value }, secretOf('nve1'));
    await drained();
    expect(nva.commands!.counters).toMatchObject({ unauthenticated: counted.unauthenticated + 3, malformed: counted.malformed + 3 });
    expect(warnings).toHaveLength(6);
    expect((await topics.outcomes('nve1')).slice(-4).map(({ code }) => code)).toEqual([
      'malformed-body',
      'malformed-body',
      'malformed-body',
      'revision-mismatch',
    ]);
  });

  it('is refused under another key than its tenant system\u2019s, which would break its order', async () => {
    await topics.write(changeMac, { key: 'ts7' }, secretOf('nve1'));
    await until(async () => (await topics.outcomes('nve1')).at(-1)?.code === 'out-of-range');
    expect((await topics.outcomes('nve1')).at(-1)).toMatchObject({ field: 'key', received: '"ts7"', expected: '"ts1"' });
  });
});

describe('an old command, written again by somebody who can write the topic', () => {
  it('gets its original outcome and does nothing', async () => {
    const parts = { idempotencyKey: 'once', correlationId: 'c', timestamp: Date.now() };
    await topics.write({ command: 'changeMac', tsId: 'ts1', mac: macOf(70) }, parts, secretOf('nve1'));
    await drained();
    await topics.sender('nve1').send({ command: 'changeMac', tsId: 'ts1', mac: macOf(71) });
    const before = await head();
    await topics.write({ command: 'changeMac', tsId: 'ts1', mac: macOf(70) }, parts, secretOf('nve1'));
    await drained();
    expect(await head()).toBe(before);
    const [first, second, ...more] = (await topics.outcomes('nve1')).filter(({ idempotencyKey }) => idempotencyKey === 'once');
    expect(second).toEqual(first);
    expect(more).toEqual([]);
  });

  it.each([
    ['is refused when its key may be forgotten', -MAX_COMMAND_AGE_MS - 1_000],
    ['is refused when it is dated ahead, to stay good for longer', MAX_CLOCK_SKEW_MS + 60_000],
  ])('%s', async (_, ageMs) => {
    const before = await head();
    const idempotencyKey = randomUUID();
    await topics.write(changeMac, { timestamp: Date.now() + ageMs, idempotencyKey }, secretOf('nve1'));
    await until(async () =>
      (await topics.outcomes('nve1')).some((outcome) => outcome.idempotencyKey === idempotencyKey && outcome.code === 'command-expired'),
    );
    expect(await head()).toBe(before);
  });
});

describe('COMMAND_KEYS_FILE', () => {
  const read = async (content: unknown, tokens = Tokens.none(), mode = 0o600): Promise<CommandKeys> => {
    const file = join(directory, 'some-keys.json');
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    await chmod(file, mode);
    return CommandKeys.read(file, tokens);
  };
  const key = Buffer.alloc(32, 1).toString('base64');

  it.each([
    ['others could read', { nves: [{ nveId: 'a', keys: [key] }] }, 0o640, 'chmod 600'],
    ['is not JSON', '{', 0o600, 'JSON'],
    ['has nobody in it', { nves: [] }, 0o600, 'at least one'],
    ['has a short key', { nves: [{ nveId: 'a', keys: [Buffer.alloc(31).toString('base64')] }] }, 0o600, '32 bytes'],
    ['has a key that is not base64', { nves: [{ nveId: 'a', keys: ['!'.repeat(64)] }] }, 0o600, 'base64'],
    ['has an NVE without keys', { nves: [{ nveId: 'a', keys: [] }] }, 0o600, '1 to 8'],
    [
      'has an NVE twice',
      {
        nves: [
          { nveId: 'a', keys: [key] },
          { nveId: 'a', keys: [key] },
        ],
      },
      0o600,
      'twice',
    ],
    [
      'has two NVEs that differ in . and _ only',
      {
        nves: [
          { nveId: 'leaf.1', keys: [key] },
          { nveId: 'leaf_1', keys: [key] },
        ],
      },
      0o600,
      'NVEs leaf.1 and leaf_1 differ in . and _ only',
    ],
    ['has an id that no NVE may have', { nves: [{ nveId: 'a.outcomes', keys: [key] }] }, 0o600, 'outcomes'],
    ['has a field that nobody reads', { nves: [{ nveId: 'a', keys: [key], tenant: 'red' }] }, 0o600, '«tenant»'],
  ])('is refused if it %s', async (_, content, mode, message) => {
    const failure = await read(content, Tokens.none(), mode).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect((failure as Error).message).toContain(message);
    expect((failure as Error).message).not.toContain(key);
  });

  it('takes an NVE\u2019s tenants from TOKENS_FILE where it stands there, and from one place only', async () => {
    const tokens = Tokens.read(topics.env['TOKENS_FILE']!);
    const signed = (keys: CommandKeys, nveId: string) =>
      keys.callerOf(
        { topic: 't', key: 'k', nveId, correlationId: 'c', idempotencyKey: 'i', timestamp: 1, value: Buffer.alloc(0) },
        SIGNATURES[nveId]!,
      );
    const keys = await read(
      {
        nves: [
          { nveId: 'nve1', keys: [key] },
          { nveId: 'nve8', keys: [Buffer.alloc(32, 9).toString('base64'), key], tenants: ['blue'] },
        ],
      },
      tokens,
    );
    expect(signed(keys, 'nve1')).toEqual({ kind: 'nve', nveId: 'nve1', tenants: ['red'] });
    expect(signed(keys, 'nve8')).toEqual({ kind: 'nve', nveId: 'nve8', tenants: ['blue'] });
    await expect(read({ nves: [{ nveId: 'nve1', keys: [key], tenants: ['blue'] }] }, tokens)).rejects.toThrow('TOKENS_FILE already');
  });
  // HMAC-SHA256 of the parts above under 32 bytes of 1, reckoned with Python's hmac.
  const SIGNATURES: Readonly<Record<string, string>> = {
    nve1: 'bd1058e1de74e3a1ff907f70e8b8e4e3248471ab04064810d6113c1b42fe2ae3',
    nve8: '561231d166fd28885502e03e65dbd094f87647594254abb337a92ed4ae8e9c7e',
  };

  it('and Kafka are needed to take commands from it', () => {
    expect(() => readConfig({ KAFKA_COMMANDS: 'true', COMMAND_KEYS_FILE: 'x' })).toThrow('KAFKA_BROKERS');
    expect(() => readConfig({ KAFKA_COMMANDS: 'true', KAFKA_BROKERS: 'localhost:9092' })).toThrow('COMMAND_KEYS_FILE');
    expect(
      readConfig({ KAFKA_COMMANDS: 'true', KAFKA_BROKERS: 'localhost:9092', EVENTSTORE_URL: 'esdb://127.0.0.1:2113' }, ['distributor'])
        .kafkaCommands,
    ).toBe(false);
  });
});

// Last, as it changes the keys that the tests before it sign with.
describe('a change of COMMAND_KEYS_FILE', () => {
  it('takes effect on commands at once: a key that is gone signs nothing, and an NVE that is new is answered', async () => {
    const before = nva.commands!.counters.unauthenticated;
    const keys = ['nve1', 'nve4'].map((nveId) => ({
      nveId,
      keys: [secretOf(nveId).toString('base64')],
      ...(nveId === 'nve4' && { tenants: ['red'] }),
    }));
    await writeFile(topics.env['COMMAND_KEYS_FILE']!, JSON.stringify({ nves: keys }));
    nva.reloadCredentials();
    await topics.write(
      { command: 'connectNve', nveId: 'nve2', siteId: 's', mac: macOf(200), addresses: ['198.51.100.9'] },
      { nveId: 'nve2' },
      secretOf('nve2'),
    );
    await until(() => nva.commands!.counters.unauthenticated === before + 1);
    // Its topic of outcomes is there before it is read.
    await until(async () => (await topics.feed.admin((admin) => admin.listTopics())).includes(`${topics.feed.prefix}.nve.nve4.outcomes`));
    expect(
      await topics.sender('nve4').send({ command: 'connectNve', nveId: 'nve4', siteId: 's', mac: macOf(201), addresses: ['198.51.100.4'] }),
    ).toMatchObject({ status: 200 });
  });
});
