import { randomUUID } from 'node:crypto';
import { createEventCodec, type NvaEvent } from '@nva/codec';
import { GappedEventStore } from '@nva/event-log/testing';
import { NO_STREAM, type RecordedEvent } from '@nva/ports';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readAuditQuery, type Queries } from '../src/reads/audit-query.ts';
import { AuditSearch, EVENTS_PER_QUESTION } from '../src/reads/audit-search.ts';
import { KnownPositions } from '../src/log/known-positions.ts';

const ACTORS = ['operator:alice', 'nve:nve1'];
const CORRELATIONS = ['ticket-1', 'ticket-2', 'ticket-3'];
const STREAMS = ['ts-a', 'ts-b', 'vn-1', 'nve-nve1'];
const START_MS = Date.parse('2026-01-31T12:00:00Z');

interface Told {
  readonly stream: number;
  readonly actor: number;
  readonly correlation: number;
  /** Clocks jump. */
  readonly atS: number;
  readonly type: 0 | 1;
}

const eventOf = ({ actor, correlation, atS, type }: Told): NvaEvent => {
  const audit = {
    recordedAt: START_MS + 1_000 * atS,
    actor: ACTORS[actor]!,
    correlationId: CORRELATIONS[correlation]!,
    idempotencyKey: null,
    requestDigest: null,
  };
  return type === 0
    ? { type: 'MacChanged', data: { audit, tsId: 'a', mac: '02:00:00:00:00:01' } }
    : { type: 'NveDisconnected', data: { audit, nveId: 'nve1' } };
};

async function logOf(told: readonly Told[], seed: number): Promise<{ store: GappedEventStore; all: readonly RecordedEvent[] }> {
  const store = new GappedEventStore({ codec: createEventCodec(), seed });
  const revisions = new Map<string, number>();
  await store.append(
    told.map((one) => {
      const stream = STREAMS[one.stream]!;
      const expectedRevision = revisions.get(stream) ?? NO_STREAM;
      revisions.set(stream, expectedRevision + 1);
      return { stream, expectedRevision, events: [{ id: randomUUID(), event: eventOf(one) }] };
    }),
  );
  const all: RecordedEvent[] = [];
  for await (const { events } of store.readAll()) all.push(...events);
  return { store, all };
}

/** Every page, one after the other, as a client asks for them. */
async function pages(search: AuditSearch, query: Queries, pause = async (): Promise<void> => undefined): Promise<RecordedEvent[][]> {
  const found: RecordedEvent[][] = [];
  let cursor = {};
  for (;;) {
    const read = readAuditQuery({ ...query, ...cursor });
    const { events, next } = await search.page(read, pause);
    found.push([...events]);
    if (next === null) return found;
    cursor = { [read.newestFirst ? 'before' : 'after']: String(next) };
  }
}

const some = <T extends string>(...values: readonly T[]) => fc.option(fc.subarray([...values], { minLength: 1 }), { nil: undefined });
const timeOf = (atS: number): string => new Date(START_MS + 1_000 * atS).toISOString();

it('every filter, in both directions and between any two numbers, tells what a look at each event would, page by page and each event once', async () => {
  const told = fc.array(
    fc.record({
      stream: fc.nat(3),
      actor: fc.nat(1),
      correlation: fc.nat(2),
      atS: fc.nat(20),
      type: fc.constantFrom(0 as const, 1 as const),
    }),
    { maxLength: 200, size: 'max' },
  );
  const asked = fc.record({
    entity: some(...STREAMS, 'ts-nobody'),
    type: some('MacChanged', 'NveDisconnected'),
    actor: fc.option(fc.constantFrom(...ACTORS), { nil: undefined }),
    correlationId: fc.option(fc.constantFrom(...CORRELATIONS), { nil: undefined }),
    from: fc.option(fc.nat(20), { nil: undefined }),
    forS: fc.option(fc.nat(20), { nil: undefined }),
    order: fc.constantFrom('asc', 'desc'),
    limit: fc.integer({ min: 1, max: 60 }),
    after: fc.option(fc.nat(60_000), { nil: undefined }),
    before: fc.option(fc.nat(120_000), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(told, asked, fc.nat(), async (events, { from, forS, limit, after, before, order, ...rest }, seed) => {
      const { store, all } = await logOf(events, seed);
      const toS = forS === undefined ? undefined : (from ?? 0) + forS;
      const query: Queries = Object.fromEntries(
        Object.entries({
          ...rest,
          order,
          limit: String(limit),
          after: after?.toString(),
          before: before?.toString(),
          from: from === undefined ? undefined : timeOf(from),
          to: toS === undefined ? undefined : timeOf(toS),
        }).filter(([, value]) => value !== undefined) as [string, string | string[]][],
      );
      const expected = all.filter(
        ({
          position,
          stream,
          event: {
            type,
            data: { audit },
          },
        }) =>
          (rest.entity?.includes(stream) ?? true) &&
          (rest.type?.includes(type as 'MacChanged') ?? true) &&
          audit.actor === (rest.actor ?? audit.actor) &&
          audit.correlationId === (rest.correlationId ?? audit.correlationId) &&
          audit.recordedAt >= START_MS + 1_000 * (from ?? 0) &&
          audit.recordedAt < START_MS + 1_000 * (toS ?? Infinity) &&
          position > (after ?? 0) &&
          position < (before ?? Infinity),
      );
      const found = await pages(new AuditSearch(store, new KnownPositions()), query);
      expect(found.flat().map(({ id }) => id)).toEqual((order === 'desc' ? expected.toReversed() : expected).map(({ id }) => id));
      for (const page of found.slice(0, -1)) expect(page).toHaveLength(limit);
    }),
    { numRuns: 150 },
  );
});

it('a question that finds nothing for long ends its page without any, with the place to go on from, and has let others come in after every 512 events', async () => {
  const rare = { stream: 2, actor: 1, correlation: 2, atS: 0, type: 0 } as const;
  const { store, all } = await logOf(
    [
      rare,
      ...Array.from({ length: EVENTS_PER_QUESTION + 5_000 }, (_, i) => ({
        stream: i % 2,
        actor: 0,
        correlation: 0,
        atS: i,
        type: 1 as const,
      })),
      rare,
    ],
    7,
  );
  const search = new AuditSearch(store, new KnownPositions());
  for (const order of ['asc', 'desc']) {
    let pauses = 0;
    const found = await pages(search, { actor: 'nve:nve1', order, limit: '10' }, async () => void pauses++);
    expect(
      found.map((page) => page.length),
      order,
    ).toEqual([1, 1]);
    expect(pauses).toBeGreaterThanOrEqual(Math.floor(all.length / 512) - 2);
    const streamed = await pages(search, { entity: ['ts-a', 'ts-b', 'vn-1'], actor: 'nve:nve1', order }, async () => undefined);
    expect(
      streamed.map((page) => page.length),
      `${order}, streams`,
    ).toEqual([1, 1]);
  }
});

it('a number deep in what a snapshot spared the fold is come to in bounded steps, whoever asks for another place meanwhile', async () => {
  const { store, all } = await logOf(
    Array.from({ length: 3 * EVENTS_PER_QUESTION }, () => ({ stream: 0, actor: 0, correlation: 0, atS: 0, type: 0 as const })),
    3,
  );
  const folded = new KnownPositions();
  for (const { position } of all.slice(2.5 * EVENTS_PER_QUESTION)) folded.met(position);
  const search = new AuditSearch(store, folded);
  const at = all[2 * EVENTS_PER_QUESTION]!.position;
  const first = async (query: Queries): Promise<number> =>
    (await pages(search, { limit: '1', ...query })).findIndex((page) => page.length > 0);
  expect(
    (await search.page(readAuditQuery({ after: String(all.at(-600)!.position), limit: '1' }), async () => undefined)).events.map(
      ({ id }) => id,
    ),
  ).toEqual([all.at(-599)!.id]);
  const asked = readAuditQuery({ after: String(at - 1), limit: '1' });
  let questions = 1;
  for (let page = await search.page(asked, async () => undefined); page.events.length === 0; questions++) {
    expect(page.next).toBe(at - 1);
    page = await search.page(asked, async () => undefined);
    if (page.events.length > 0) expect(page.events[0]!.position).toBe(at);
  }
  expect(questions).toBe(3);
  expect(await first({ before: String(at + 1), after: String(at - 1) })).toBe(0);
});

it.each([
  [{ order: 'newest' }, { field: 'order', received: 'newest' }],
  [{ type: 'Nothing' }, { field: 'type', received: 'Nothing' }],
  [{ entity: ['ts-a', 'table-1'] }, { field: 'entity', received: 'table-1' }],
  [{ entity: Array.from({ length: 17 }, (_, i) => `ts-${i}`) }, { field: 'entity', received: 17 }],
  [{ actor: '' }, { field: 'actor', received: '' }],
  [{ correlationId: 'two words' }, { field: 'correlationId', received: 'two words' }],
  [{ from: 'yesterday' }, { field: 'from', received: 'yesterday' }],
  [{ to: '2026-02-30T00:00:00Z' }, { field: 'to', received: '2026-02-30T00:00:00Z' }],
  [{ to: '2026-02-28T25:00:00Z' }, { field: 'to', received: '2026-02-28T25:00:00Z' }],
  [{ from: '2026-02-28 12:00:00 01:00' }, { field: 'from' }],
  [{ from: '2026-02-28T00:00:01Z', to: '2026-02-28T00:00:00Z' }, { field: 'from' }],
  [{ before: '-1' }, { field: 'before', received: '-1' }],
  [{ order: ['asc', 'desc'] }, { field: 'order' }],
  [{ at: '5' }, { field: 'at' }],
])('%j is refused', (query, detail) => {
  expect(() => readAuditQuery(query)).toThrow(expect.objectContaining({ name: 'Refusal', detail: expect.objectContaining(detail) }));
});
