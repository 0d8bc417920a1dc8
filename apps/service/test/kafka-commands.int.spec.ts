import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandLine, CommandOutcome } from '@nva/codec';
import type { StreamAppend } from '@nva/ports';
import type { KafkaCommands } from '@nva/nve';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CommandTopics, OPERATOR_TOKEN, secretOf, tokenOf } from './kafka-commands-support.ts';
import { macOf, populate, postLines, startNva, tsBody, until, type NvaFixture } from './support.ts';

let directory: string;
let topics: CommandTopics;
let nva: NvaFixture;
let nve1: KafkaCommands;

beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'nva-commands-'))));
afterAll(() => rm(directory, { recursive: true }));
beforeEach(async () => {
  topics = await CommandTopics.make(directory);
  nva = await startNva({ env: topics.env });
  await populate(nva.http, OPERATOR_TOKEN);
  nve1 = topics.sender('nve1');
});
afterEach(async () => {
  await nva.stop();
  await topics.dispose();
});

const attach = (n: number, nveId = 'nve1', fields: object = {}): CommandLine => ({
  command: 'attach',
  nveId,
  tsId: `ts${n}`,
  ...tsBody(n),
  ...fields,
});
/** Results of NDJSON without what is a line's alone, its number. */
async function rest(nveId: string, ...lines: CommandLine[]) {
  const results = await postLines(nva.url, lines.map((line) => `${JSON.stringify(line)}\n`).join(''), {
    authorization: `Bearer ${tokenOf(nveId)}`,
  });
  return results.map((result) => {
    const { line: _line, ...rest_ } = result;
    return rest_;
  });
}
const counters = () => nva.server.commands!.counters;

/** An outcome as NDJSON has it. */
function asLine({
  idempotencyKey: _key,
  correlationId: _correlation,
  done: _done,
  remaining: _remaining,
  conflicts,
  ...outcome
}: CommandOutcome): Record<string, unknown> {
  const { position, received, expected, actual, ...rest_ } = outcome;
  const parsed = Object.entries({ received, expected, actual }).flatMap(([name, value]) =>
    value === null ? [] : [[name, JSON.parse(value) as unknown]],
  );
  const given = Object.entries(rest_).filter(([name, value]) => value !== null && (outcome.code === null || name !== 'memberships'));
  const named =
    outcome.code === null
      ? { position: String(position), conflicts }
      : { type: `urn:nvo3:problem:${outcome.code}`, title: outcome.code.replaceAll('-', ' ') };
  return { ...Object.fromEntries([...given, ...parsed]), ...named };
}

/** What the log and VN 1's topic hold of `ts…`, without what differs by time and caller. */
async function trace(fixture: NvaFixture, feed: CommandTopics['feed']): Promise<unknown> {
  const events: unknown[] = [];
  for await (const batch of fixture.server.core.store.readAll())
    for (const { stream, revision, event } of batch.events) events.push([stream, revision, event.type, { ...event.data, audit: null }]);
  const { distributorRole, replica } = fixture.server.core;
  await until(
    () => distributorRole!.distributor.queuedRecords === 0 && distributorRole!.distributor.publishedPosition >= replica.network.position,
  );
  const records = (await feed.raw(`${feed.prefix}.vn.1`)).map(({ key, value, headers }) => [
    key!.toString(),
    value?.toString('hex') ?? null,
    headers!['position']!.toString(),
  ]);
  return { events, records };
}

describe('a command on Kafka', () => {
  it('tells all that the NVE has: what is at it and not named is detached in one, and another incarnation changes nothing', async () => {
    for (const n of [1, 2, 3, 4]) expect(await nve1.send(attach(n))).toMatchObject({ status: 200 });
    await rest('nve2', attach(2, 'nve2', { placement: 'add' }));
    const before = await nva.head();
    const keepOnly = (incarnation: number): CommandLine => ({
      command: 'keepOnly',
      nveId: 'nve1',
      incarnation,
      tenantSystems: [{ tsId: 'ts3', tenantId: 'red' }, { tsId: 'ts4' }],
    });
    expect(await nve1.send(keepOnly(0))).toMatchObject({ status: 409, code: 'nve-incarnation', expected: '1', done: null });
    expect(await nva.head()).toBe(before);
    // Sent at once: it is of what came before it and not of what comes after.
    const sent = [
      nve1.send(attach(5)),
      nve1.send(keepOnly(1), { idempotencyKey: 'whole', correlationId: 'restart-1' }),
      nve1.send(attach(6)),
    ];
    expect((await Promise.all(sent)).map(({ status, done, remaining, position }) => [status, done, remaining, position === null])).toEqual([
      [200, null, null, false],
      [200, 3, 0, true],
      [200, null, null, false],
    ]);
    const { attachments } = nva.server.core.replica.network.nves.get('nve1')!;
    expect(attachments).toBe(3);
    const at = (tsId: string): string[] =>
      nva.server.core.replica.network.tenantSystems.get(tsId)!.state.attachments.map(({ nveId }) => nveId);
    expect(['ts1', 'ts2', 'ts3', 'ts4', 'ts5', 'ts6'].map(at)).toEqual([[], ['nve2'], ['nve1'], ['nve1'], [], ['nve1']]);
    const caused: string[] = [];
    for await (const batch of nva.server.core.store.readAll())
      for (const { stream, event } of batch.events)
        if (event.data.audit.correlationId === 'restart-1') caused.push(`${stream} ${event.type} ${event.data.audit.actor}`);
    expect(caused.toSorted()).toEqual(['ts1', 'ts2', 'ts5'].map((tsId) => `ts-${tsId} TenantSystemDetached nve:nve1`));
  });

  it('ends up in log and feeds as the same one over REST (R33, R45, R55)', async () => {
    const life: CommandLine[] = [
      attach(1, 'nve1', { bindings: [{ bid: 3, vnid: 1, ip: '10.0.0.1' }] }),
      attach(2, 'nve1', {
        bindings: [
          { bid: 1, vnid: 1, ip: '10.0.0.2' },
          { bid: 2, vnid: 2, vlan: 7 },
        ],
        state: 'associated',
      }),
      attach(1, 'nve2', { mac: macOf(1).toUpperCase(), bindings: undefined }),
      { command: 'registerBinding', tsId: 'ts1', bid: 4, vnid: 2, vlan: 9, lifetimeS: 60 },
      { command: 'changeMac', tsId: 'ts1', mac: macOf(9) },
      { command: 'passAddress', tsId: 'ts1', to: 'ts2', vnid: 1, ip: '10.0.0.1', bid: 9, lifetimeS: 60 },
      { command: 'connectionFailure', tsId: 'ts1', nveId: 'nve2', vnid: 2 },
      { command: 'deregisterBinding', tsId: 'ts1', bid: 4 },
      { command: 'detach', nveId: 'nve2', tsId: 'ts1' },
      { command: 'disconnectNve', nveId: 'nve3' },
    ];
    const senderOf = (line: CommandLine, i: number): string =>
      String(line['nveId'] ?? (i === 0 || line.command === 'passAddress' ? 'nve1' : 'nve2'));
    const answers: unknown[] = [];
    for (const [i, line] of life.entries()) answers.push(asLine(await topics.sender(senderOf(line, i)).send(line)));
    const overKafka = await trace(nva, topics.feed);

    const others = await CommandTopics.make(directory);
    const kafka = nva;
    nva = await startNva({ env: others.env });
    try {
      await populate(nva.http, OPERATOR_TOKEN);
      const answered: unknown[] = [];
      for (const [i, line] of life.entries()) answered.push(...(await rest(senderOf(line, i), line)));
      expect(answers).toEqual(answered);
      expect(answers).toEqual(life.map(() => expect.objectContaining({ status: 200 })));
      expect(JSON.stringify(overKafka).replaceAll(topics.feed.prefix, 'x')).toEqual(
        JSON.stringify(await trace(nva, others.feed)).replaceAll(others.feed.prefix, 'x'),
      );
    } finally {
      await nva.stop();
      await others.dispose();
      nva = kafka;
    }
  });

  const REFUSED: readonly (readonly [what: string, line: CommandLine])[] = [
    ['a MAC that is held already (R13)', attach(2, 'nve1', { mac: macOf(1) })],
    ['an IP that is held already (R13)', attach(2, 'nve1', { bindings: [{ vnid: 1, ip: '10.0.0.1' }] })],
    ['a VN of another tenant (R44)', attach(2, 'nve1', { bindings: [{ vnid: 9, ip: '10.0.0.2' }] })],
    ['a tenant that the NVE does not serve', attach(2, 'nve1', { tenantId: 'blue' })],
    ['another NVE', attach(2, 'nve2')],
    ['an unknown VN', attach(2, 'nve1', { bindings: [{ vnid: 5, ip: '10.0.0.2' }] })],
    [
      'a second address without BIDs (R19)',
      attach(2, 'nve1', {
        bindings: [
          { vnid: 1, ip: '10.0.0.2' },
          { vnid: 1, ip: '10.0.0.3' },
        ],
      }),
    ],
    ['a state that does not exist', attach(2, 'nve1', { state: 'half' })],
    ['a MAC that is none', attach(2, 'nve1', { mac: 'zz' })],
    ['a multicast MAC', attach(2, 'nve1', { mac: '01:00:5e:00:00:01' })],
    ['an id with a space', { ...attach(2), tsId: 't s' }],
    ['another revision (X9)', attach(1, 'nve1', { mac: macOf(7), ifRevision: 7 })],
    ['a detach of what is elsewhere (R55)', { command: 'detach', nveId: 'nve1', tsId: 'ts3' }],
    ['a tenant system of another NVE', { command: 'changeMac', tsId: 'ts3', mac: macOf(8) }],
    ['a BID of another VN', { command: 'registerBinding', tsId: 'ts1', bid: 70_000, vnid: 1, ip: '10.0.0.9' }],
    ['an address for what is at another NVE', { command: 'passAddress', tsId: 'ts1', to: 'ts3', vnid: 1, ip: '10.0.0.1' }],
    ['an address that the one it is asked of does not have', { command: 'passAddress', tsId: 'ts3', to: 'ts1', vnid: 1, ip: '10.0.0.9' }],
    ['forgetting an NVE', { command: 'disconnectNve', nveId: 'nve1', forget: true }],
    [
      'an older incarnation',
      { command: 'connectNve', nveId: 'nve1', siteId: 'site-1', mac: '02:00:00:00:ff:01', addresses: ['198.51.100.1'], incarnation: 0 },
    ],
    ['an NVE without addresses', { command: 'connectNve', nveId: 'nve1', siteId: 'site-1', mac: '02:00:00:00:ff:01', addresses: [] }],
  ];

  it('is refused with the codes of NDJSON, field by field (R13, R19, R44, R55, X9)', async () => {
    await rest('nve1', attach(1));
    await rest('nve2', attach(3, 'nve2'));
    const before = await nva.head();
    for (const [what, line] of REFUSED) {
      const [answered] = await rest('nve1', line);
      expect(asLine(await nve1.send(line)), what).toEqual(answered);
      expect(answered!['code'], what).toEqual(expect.any(String));
    }
    expect(await nva.head()).toBe(before);
  });

  it('at an NVE that has disconnected says so, as over REST and in NDJSON', async () => {
    await rest('nve3', { command: 'disconnectNve', nveId: 'nve3' });
    const before = await nva.head();
    const line = attach(30, 'nve3');
    const [answered] = await rest('nve3', line);
    expect(answered).toMatchObject({ status: 409, code: 'nve-disconnected', field: 'nveId', received: 'nve3' });
    expect(asLine(await topics.sender('nve3').send(line))).toEqual(answered);
    const { command: _, nveId: __, tsId, ...body } = line;
    const { body: problem } = await nva.http
      .put(`/v1/nves/nve3/tenant-systems/${String(tsId)}`)
      .set('authorization', `Bearer ${tokenOf('nve3')}`)
      .send(body)
      .expect(409);
    const { correlationId: ___, ...refused } = problem as Record<string, unknown>;
    expect(refused).toEqual(answered);
    expect(await nva.head()).toBe(before);
  });

  it('is decided and appended in groups, in the order of its key', async () => {
    const calls: (readonly StreamAppend[])[] = [];
    const { store } = nva.server.core;
    const append = store.append.bind(store);
    Object.assign(store, { append: (appends: readonly StreamAppend[]) => (calls.push(appends), append(appends)) });
    const COMMANDS = 600;
    const attachWide = (n: number): CommandLine =>
      attach(n, 'nve1', {
        mac: `02:00:00:01:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`,
        bindings: [{ vnid: 1, ip: `10.1.${n >> 8}.${n & 255}` }],
      });
    const outcomes = await Promise.all(Array.from({ length: COMMANDS }, (_, n) => nve1.send(attachWide(n))));
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set([200]));
    expect(calls.flat()).toHaveLength(COMMANDS);
    expect(calls.length).toBeLessThan(COMMANDS / 20);
    // A group is counted when its outcomes are out, which a sender may hear first; it is decided in pieces, each an append.
    await expect.poll(counters, { timeout: 240_000 }).toMatchObject({ commands: COMMANDS, outcomes: COMMANDS });
    expect(counters().groups).toBeLessThanOrEqual(calls.length);
    const metrics = await nva.http.get('/metrics').set('authorization', `Bearer ${OPERATOR_TOKEN}`).expect(200);
    expect(metrics.text).toContain(`nva_kafka_commands_total ${COMMANDS}\n`);
  });

  it('keeps the order of its key across batches and refusals', async () => {
    await nve1.send(attach(1));
    for (let round = 0; round < 30; round++) {
      // Written past the sender, which would wait for each outcome.
      await topics.write({ command: 'detach', nveId: 'nve1', tsId: 'ts1', ifRevision: 99 }, {}, secretOf('nve1'));
      await topics.write({ command: 'changeMac', tsId: 'ts1', mac: macOf(10 + round) }, {}, secretOf('nve1'));
    }
    await until(async () => (await topics.outcomes('nve1')).length === 61);
    const revisions = (await topics.outcomes('nve1')).map(({ code, revision }) => code ?? revision);
    expect(revisions).toEqual([0, ...Array.from({ length: 30 }, (_, round) => ['revision-mismatch', round + 1]).flat()]);
  });

  it('is not lost while no registrar runs, and is done once', async () => {
    await nve1.send(attach(1));
    await nva.server.close();
    const sent = [attach(2), attach(3), { command: 'detach', nveId: 'nve1', tsId: 'ts1' } satisfies CommandLine].map((line) =>
      topics.sender('nve1', { resendAfterMs: 300 }).send(line),
    );
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await nva.restart();
    expect((await Promise.all(sent)).map(({ status, code }) => code ?? status)).toEqual([200, 200, 200]);
    for (const [stream, revisions] of [
      ['ts-ts1', [0, 1]],
      ['ts-ts2', [0]],
      ['ts-ts3', [0]],
    ] as const) {
      expect(
        (await Array.fromAsync(nva.server.core.store.readStream(stream))).map(({ revision }) => revision),
        stream,
      ).toEqual(revisions);
    }
    // They went out several times meanwhile.
    expect(counters().commands).toBeGreaterThan(3);
  });

  it('cannot be heard while the brokers are not read, and that time counts for no lease or lifetime (X6, R24a)', async () => {
    const { arrivals, registrarRole } = nva.server.core;
    const { consumer } = nva.server.commands!;
    await until(() => consumer.hears && !arrivals.deaf, 30_000);
    await consumer.stop();
    expect(consumer.hears).toBe(false);
    expect(arrivals.deaf).toBe(true);
    const before = registrarRole!.deadlines.unheardMs;
    await until(() => registrarRole!.deadlines.unheardMs > before + 500, 30_000);
  });

  it('gets its original outcome under its key, over Kafka and REST alike, and 422 with another body', async () => {
    const ids = { idempotencyKey: 'k1', correlationId: 'c1' };
    const first = await nve1.send(attach(1), ids);
    await nve1.send({ command: 'changeMac', tsId: 'ts1', mac: macOf(5) });
    expect(await nve1.send(attach(1), { ...ids, correlationId: 'c2' })).toEqual({ ...first, correlationId: 'c2' });
    const [again] = await rest('nve1', { ...attach(1), idempotencyKey: 'k1' });
    expect(again).toEqual(asLine(first));
    expect(await nve1.send(attach(2), ids)).toMatchObject({ status: 422, code: 'idempotency-key-reused' });
    const [event] = await Array.fromAsync(nva.server.core.store.readStream('ts-ts1'));
    expect(event!.event.data.audit).toMatchObject({ actor: 'nve:nve1', correlationId: 'c1', idempotencyKey: 'k1' });
  });
});
