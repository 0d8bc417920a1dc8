import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { binaryEvent, EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { ServerCredentials } from '@grpc/grpc-js';
import { AvroJsonCodec, createEventCodec, type NvaEvent } from '@nva/codec';
import { LogRefused, MAX_EVENTS_PER_APPEND, NO_STREAM, systemClock, type EventToAppend, type RecordedEvent } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fresh, sample, samplesOfEveryType, toAppend } from '../../../test/contract/event-samples.ts';
import { allOf, collect, ids, idsOf } from '../../../test/contract/event-store-reading.ts';
import { StandIn } from '../../../test/eventstore/stand-in.ts';
import { toJsonEvent } from '../src/event-format.ts';
import { EventStoreDbEventStore } from '../src/index.ts';
import { freshPrefix, openStore, REAL_URL, startStandIn } from './support.ts';

const codec = new AvroJsonCodec<NvaEvent>(createEventCodec().schemas);
/** One event that is as large as its actor's name. */
const sized = (actor: string): EventToAppend[] => [
  toAppend({ ...sample(), data: { ...sample().data, audit: { ...sample().data.audit, actor } } } as NvaEvent),
];
const subscribed = (store: EventStoreDbEventStore) => collect(store.subscribe({ signal: AbortSignal.timeout(5_000) }));

/** What a server holds besides our events. Runs on a real one as well. */
describe('on a server that is not ours alone', () => {
  let server: Awaited<ReturnType<typeof startStandIn>> | null;
  let url: string;
  let prefix: string;
  let store: EventStoreDbEventStore;
  let client: EventStoreDBClient;

  beforeEach(async () => {
    server = REAL_URL === undefined ? await startStandIn() : null;
    url = server?.standIn.url ?? REAL_URL!;
    prefix = freshPrefix();
    store = await openStore(url, { prefix });
    client = EventStoreDBClient.connectionString(url);
  });
  afterEach(async () => {
    await store.close();
    await client.dispose();
    await server?.dispose();
  });

  it('skips system events, links and streams of other prefixes', async () => {
    const call = [fresh('a'), fresh('b', NO_STREAM, 2)];
    await client.appendToStream(`other${prefix}x`, jsonEvent({ type: 'Foreign', data: {} }));
    await store.append([call[0]!]);
    // Only an administrator may write a system stream of a secured server; it has such links of its own.
    await client
      .appendToStream(`$ce-${prefix}`, binaryEvent({ type: '$>', data: Buffer.from(`0@${prefix}a`), metadata: {} }))
      .catch(() => undefined);
    await client.setStreamMetadata(`${prefix}a`, { maxAge: 1_000_000 });
    await store.append([call[1]!]);
    await client.appendToStream(
      `z${prefix}x`,
      Array.from({ length: 40 }, () => jsonEvent({ type: 'Foreign', data: {} })),
    );
    expect(ids(await allOf(store))).toEqual(idsOf(call));
    expect((await store.head()).position).toBe((await allOf(store)).at(-1)!.position);
    const received: RecordedEvent[] = [];
    for await (const message of store.subscribe({ signal: AbortSignal.timeout(10_000) })) {
      if (message.kind === 'caught-up') break;
      received.push(...message.events);
    }
    expect(ids(received)).toEqual(idsOf(call));
  });

  it.each([
    ['a foreign event', jsonEvent({ type: 'Foreign', data: { a: 1 } })],
    ['bytes', binaryEvent({ type: 'MacChanged', data: Buffer.from('x') })],
    ['a link', binaryEvent({ type: '$>', data: Buffer.from('0@x') })],
    [
      'an event under a schema that nobody knows',
      jsonEvent({ type: 'MacChanged', data: {}, metadata: { schemaFingerprint: '0123456789abcdef' } }),
    ],
  ])('refuses %s under its prefix, and names the stream', async (_, event) => {
    await store.append([fresh('a')]);
    await client.appendToStream(`${prefix}a`, event);
    for (const read of [() => allOf(store), () => subscribed(store), () => collect(store.readStream('a'))]) {
      const error = await read().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(LogRefused);
      expect((error as Error).message).toContain(`${prefix}a`);
    }
  });

  it('goes on under another id once its log was renewed, with every event that it had; a repeat changes nothing', async () => {
    const call = [fresh('a', NO_STREAM, 2)];
    await store.append(call);
    const logId = randomUUID();
    for (let run = 0; run < 2; run++)
      await EventStoreDbEventStore.renew({ url, prefix, codec: createEventCodec(), clock: systemClock }, logId);
    const again = await openStore(url, { prefix });
    expect([again.logId, again.logId === store.logId]).toEqual([logId, false]);
    expect(ids(await allOf(again))).toEqual(idsOf(call));
    expect(await again.append([fresh('a', 1)])).toMatchObject([{ outcome: 'appended', revision: 2 }]);
    await again.close();
  });

  it('is not renewed where there is no log', async () => {
    await expect(
      EventStoreDbEventStore.renew({ url, prefix: freshPrefix(), codec: createEventCodec(), clock: systemClock }, randomUUID()),
    ).rejects.toThrow(/no log to renew/);
  });

  it('refuses a stream that was deleted for good', async () => {
    await store.append([fresh('a'), fresh('b')]);
    await client.tombstoneStream(`${prefix}a`);
    await expect(store.append([fresh('a', 0)])).rejects.toThrow(/«a».*deleted/);
    await expect(collect(store.readStream('a'))).rejects.toThrow('deleted');
    await expect(allOf(store)).rejects.toThrow(LogRefused);
    await expect(subscribed(store)).rejects.toThrow('deleted');
  });

  it('refuses to go on with a stream that was deleted and is begun again', async () => {
    await store.append([fresh('a', NO_STREAM, 2)]);
    await client.deleteStream(`${prefix}a`);
    expect(await collect(store.readStream('a'))).toEqual([]);
    await expect(store.append([fresh('a')])).rejects.toThrow('deleted');
    await expect(collect(store.readStream('a'))).rejects.toThrow(LogRefused);
  });

  it('refuses at once to read backwards from where no event stands, and takes the place of any', async () => {
    const [result] = await store.append([fresh('a', NO_STREAM, 3)]);
    const { position } = result as { position: number };
    // One that tried again would still wait when this test has long failed.
    const patient = await openStore(url, { prefix, firstDelayMs: 3_600_000 });
    await expect(collect(patient.readAllBackwards({ before: position + 1 }))).rejects.toThrow(RangeError);
    expect((await collect(patient.readAllBackwards({ before: position }))).flat().map(({ revision }) => revision)).toEqual([1, 0]);
    await patient.close();
  });

  it('refuses an append of more than 1 MiB before it is sent, and takes one below', async () => {
    await expect(
      store.append([fresh('b'), { stream: 'a', expectedRevision: NO_STREAM, events: sized('x'.repeat(1024 * 1024)) }]),
    ).rejects.toThrow(RangeError);
    expect(await allOf(store)).toEqual([]);
    expect(await store.append([{ stream: 'a', expectedRevision: NO_STREAM, events: sized('x'.repeat(1_000_000)) }])).toMatchObject([
      { outcome: 'appended' },
    ]);
    expect(await store.append([fresh('c', NO_STREAM, MAX_EVENTS_PER_APPEND)])).toMatchObject([{ outcome: 'appended' }]);
  });

  it('reads every type of event under an older schema that the log holds', async () => {
    const expected: NvaEvent[] = [];
    for (const { schema } of createEventCodec().schemas) {
      const { name, fields } = schema as { name: string; fields: readonly object[] };
      const older = { ...(schema as object), fields: [...fields, { name: 'retired', type: 'string', default: '' }] };
      const teacher = new AvroJsonCodec<NvaEvent>(createEventCodec().schemas);
      const fingerprint = teacher.learn(older)!;
      const writer = new AvroJsonCodec<NvaEvent>([{ fingerprint, schema: older }]);
      await client.appendToStream(`${prefix.slice(0, -1)}.log`, jsonEvent({ type: 'SchemaAdded', data: { fingerprint, schema: older } }));
      const events = samplesOfEveryType().filter(({ type }) => type === name);
      const written = events.map((event) =>
        jsonEvent({
          id: randomUUID(),
          type: name,
          data: writer.encode({ ...event, data: { ...event.data, retired: 'x' } } as unknown as NvaEvent).json as Record<string, unknown>,
          metadata: { schemaFingerprint: fingerprint },
        }),
      );
      await client.appendToStream(`${prefix}${name}`, written);
      expected.push(...events);
    }
    expect((await allOf(store)).map(({ event }) => event)).toEqual(expected);
    await store.close();
    store = await openStore(url, { prefix });
    expect((await allOf(store)).map(({ event }) => event)).toEqual(expected);
  });

  it.each([
    ['what is no event of a log', jsonEvent({ type: 'Foreign', data: {} })],
    [
      'a schema that cannot be read',
      jsonEvent({ type: 'SchemaAdded', data: { fingerprint: '0123456789abcdef', schema: { type: 'nothing' } } }),
    ],
    [
      'a schema under the fingerprint of another',
      jsonEvent({
        type: 'SchemaAdded',
        data: { fingerprint: '0123456789abcdef', schema: { ...(createEventCodec().schemas[0]!.schema as object), aliases: ['X'] } },
      }),
    ],
  ])("refuses a log's own stream that holds %s", async (_, event) => {
    await client.appendToStream(`${prefix.slice(0, -1)}.log`, event);
    await expect(openStore(url, { prefix })).rejects.toThrow(LogRefused);
  });

  it('refuses an event of a type that only a newer build knows as what that build wrote: it is to be started, and nothing put back', async () => {
    const schema = { type: 'record', name: 'VnTeleported', namespace: 'nvo3.v1', fields: [] };
    await client.appendToStream(
      `${prefix.slice(0, -1)}.log`,
      jsonEvent({ type: 'SchemaAdded', data: { fingerprint: '0123456789abcdef', schema } }),
    );
    await client.appendToStream(
      `${prefix}vn-1`,
      jsonEvent({ type: 'VnTeleported', data: {}, metadata: { schemaFingerprint: '0123456789abcdef' } }),
    );
    await expect(allOf(store)).rejects.toThrow(
      /event 0 of «.*vn-1», «VnTeleported», is under schema 0123456789abcdef.*The log is whole.*Start that build, or one newer still; do not put a backup in its place/,
    );
  });

  it.each([
    [
      'another format',
      jsonEvent({ type: 'LogCreated', data: { logId: randomUUID(), format: 9 } }),
      /is of format 9; this build reads 1.*Start that build/,
    ],
    [
      'a schema of ours that says what this build cannot hold',
      jsonEvent({
        type: 'SchemaAdded',
        data: {
          fingerprint: '0123456789abcdef',
          schema: { type: 'record', name: 'MacChanged', namespace: 'nvo3.v1', fields: [{ name: 'mac', type: 'long' }] },
        },
      }),
      /MacChanged.*Start that build/,
    ],
  ])("refuses a log's own stream that a newer build wrote, with %s, and says to start that build", async (_, event, message) => {
    await client.appendToStream(`${prefix.slice(0, -1)}.log`, event);
    await expect(openStore(url, { prefix })).rejects.toThrow(message);
  });

  it('is one log for all who open it at once, and for each prefix another', async () => {
    const shared = freshPrefix();
    const stores = await Promise.all(Array.from({ length: 4 }, () => openStore(url, { prefix: shared })));
    expect(new Set(stores.map(({ logId }) => logId)).size).toBe(1);
    expect(stores[0]!.logId).not.toBe(store.logId);
    await stores[0]!.append([fresh('a')]);
    expect(await stores[3]!.append([fresh('a')])).toMatchObject([{ outcome: 'wrong-expected-revision', actualRevision: 0 }]);
    expect(await allOf(stores[1]!)).toHaveLength(1);
    expect(await allOf(store)).toEqual([]);
    await Promise.all(stores.map((each) => each.close()));
  });

  it("keeps events that the server's own tools read", async () => {
    const [append] = [fresh('a')];
    await store.append([append]);
    const { event } = append.events[0]!;
    for await (const { event: stored } of client.readStream(`${prefix}a`)) {
      expect(stored).toMatchObject({
        type: event.type,
        isJson: true,
        data: toJsonEvent(codec, event).data,
        metadata: { $correlationId: event.data.audit.correlationId },
      });
      expect((stored!.metadata as { schemaFingerprint: string }).schemaFingerprint).toMatch(/^[0-9a-f]{16}$/);
    }
  });
});

if (REAL_URL !== undefined)
  process.stdout.write(
    'server.int.spec.ts: limits, version, TLS and node preference are tested on the stand-in; a real server is configured once\n',
  );

describe('the server as it is configured', () => {
  let server: Awaited<ReturnType<typeof startStandIn>>;
  afterEach(() => server.dispose());

  it('takes less than we send: its limit is named', async () => {
    server = await startStandIn({ maxAppendBytes: 300_000 });
    const store = await openStore(server.standIn.url);
    await expect(store.append([{ stream: 'a', expectedRevision: NO_STREAM, events: sized('x'.repeat(400_000)) }])).rejects.toThrow(
      '300000',
    );
    await expect(store.append([{ stream: 'a', expectedRevision: NO_STREAM, events: sized('x'.repeat(400_000)) }])).rejects.toThrow(
      RangeError,
    );
    expect(await allOf(store)).toEqual([]);
    await store.close();
  });

  it('is too old to say when a subscription has caught up', async () => {
    server = await startStandIn({ version: '22.10.5' });
    await expect(openStore(server.standIn.url)).rejects.toThrow('22.10.5');
  });

  it('is reached over TLS with credentials, both from the connection string', async () => {
    server = await startStandIn();
    const certificate = join(server.directory, 'server.crt');
    const key = join(server.directory, 'server.key');
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        key,
        '-out',
        certificate,
      ],
      { stdio: 'ignore' },
    );
    const credentials = ServerCredentials.createSsl(null, [{ cert_chain: readFileSync(certificate), private_key: readFileSync(key) }]);
    const secure = await StandIn.start({ directory: server.directory, log: server.standIn.log, credentials });
    secure.faults.credentials = 'nva:secret';
    const urlOf = (user: string): string => `esdb://${user}@127.0.0.1:${secure.port}?tls=true&tlsCAFile=${encodeURIComponent(certificate)}`;
    const store = await openStore(urlOf('nva:secret'));
    expect(await store.append([fresh('a')])).toMatchObject([{ outcome: 'appended' }]);
    expect(await allOf(store)).toHaveLength(1);
    await store.close();
    await expect(openStore(urlOf('nva:wrong'))).rejects.toThrow('access denied');
    await secure.stop();
  });

  describe('of a leader and a follower', () => {
    let follower: StandIn;
    let cluster: string;
    const lead = (leader: StandIn, other: StandIn): void => {
      for (const node of [leader, other])
        node.members = [
          { port: leader.port, state: 'leader' },
          { port: other.port, state: 'follower' },
        ];
    };

    beforeEach(async () => {
      server = await startStandIn();
      follower = await StandIn.start({ directory: server.directory, log: server.standIn.log });
      lead(server.standIn, follower);
      cluster = `esdb://127.0.0.1:${follower.port},127.0.0.1:${server.standIn.port}?tls=false`;
    });
    afterEach(() => follower.stop());

    it.each(['', '&nodePreference=leader', '&nodePreference=follower'])(
      'subscribes at the node that «%s» prefers, and appends and reads at the leader',
      async (preference) => {
        const store = await openStore(cluster + preference);
        const call = [fresh('a', NO_STREAM, 3)];
        // A follower would pass it on, or answer from what it has.
        follower.faults.unavailable = preference.endsWith('follower') ? 0 : Infinity;
        expect(await store.append(call)).toMatchObject([{ outcome: 'appended' }]);
        expect(ids(await collect(store.readStream('a')))).toEqual(idsOf(call));
        expect(ids(await allOf(store))).toEqual(idsOf(call));
        const received: RecordedEvent[] = [];
        for await (const message of store.subscribe({ signal: AbortSignal.timeout(10_000) })) {
          if (message.kind === 'caught-up') break;
          received.push(...message.events);
        }
        expect(ids(received)).toEqual(idsOf(call));
        expect([server.standIn.faults.sentEvents, follower.faults.sentEvents]).toEqual(preference.endsWith('follower') ? [0, 3] : [3, 0]);
        await store.close();
      },
    );

    it('goes to the new leader after an election, with its appends and its reads', async () => {
      const store = await openStore(cluster);
      await store.append([fresh('a')]);
      lead(follower, server.standIn);
      expect(await collect(store.readStream('a'))).toHaveLength(1);
      server.standIn.faults.unavailable = Infinity;
      expect(await store.append([fresh('a', 0)])).toMatchObject([{ outcome: 'appended', repeated: false }]);
      expect(await allOf(store)).toHaveLength(2);
      await store.close();
    });
  });
});
