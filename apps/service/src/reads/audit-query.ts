import { createEventCodec } from '@nva/codec';
import { AGGREGATES } from '@nva/domain';
import { readPosition } from '@nva/commands';
import { Refusal } from '@nva/identifiers';
import type { Position, RecordedEvent } from '@nva/ports';
import { pageQuery } from './paging.ts';
import { only } from './query-readers.ts';

/** A query as parsed: a field that is given several times is a list. */
export type Queries = Readonly<Record<string, string | readonly string[]>>;

/** Maximum number of streams, or of types, that one query names. */
export const MAX_NAMES = 16;

const ENTITY = new RegExp(
  `^(?:(?:${[...Object.values(AGGREGATES).map(({ prefix }) => prefix), 'interconnect-'].join('|')})[A-Za-z0-9._:@-]{1,252}|fold|log)$`,
);
const NAME = /^[\x21-\x7e]{1,256}$/;
const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;
const TYPES: readonly string[] = createEventCodec()
  .schemas.map(({ schema }) => (schema as { name: string }).name)
  .toSorted();

/** A query of the audit log. */
export interface AuditQuery {
  /** Events between two positions, both exclusive; `before` is Infinity if it was not given. */
  readonly after: Position;
  readonly before: Position;
  readonly newestFirst: boolean;
  readonly limit: number;
  /** Only events of these streams; events of all streams if the list is empty. */
  readonly entities: readonly string[];
  readonly matches: (event: RecordedEvent) => boolean;
}

/** Throws Refusal. */
export function readAuditQuery({ entity, type, ...query }: Queries): AuditQuery {
  const single = query as Readonly<Record<string, string>>;
  only(single, 'after', 'before', 'order', 'limit', 'actor', 'correlationId', 'from', 'to');
  const { limit } = pageQuery(single);
  const after = single['after'] === undefined ? 0 : readPosition(single['after'], 'after');
  const before = single['before'] === undefined ? Infinity : readPosition(single['before'], 'before');
  // A caller that pages backwards gives `before`. With the order `asc` the page would begin at the start of the log, which is the
  // wrong end.
  const { order = before === Infinity ? 'asc' : 'desc' } = single;
  if (order !== 'asc' && order !== 'desc')
    throw new Refusal('out-of-range', 'order is asc, oldest first, or desc', { field: 'order', received: order });
  const entities = several(
    entity,
    'entity',
    (name) =>
      ENTITY.test(name) ||
      new Refusal('id-malformed', 'entity is a stream: ts-<id>, vn-<vnid>, nve-<id>, fold, log', { field: 'entity', received: name }),
  );
  const types = new Set(
    several(
      type,
      'type',
      (name) =>
        TYPES.includes(name) ||
        new Refusal('out-of-range', 'there is no event of that type', { field: 'type', received: name, expected: TYPES }),
    ),
  );
  const actor = named(single['actor'], 'actor');
  const correlationId = named(single['correlationId'], 'correlationId');
  const [fromMs, toMs] = [timeMs(single['from'], 'from') ?? -Infinity, timeMs(single['to'], 'to') ?? Infinity];
  if (fromMs > toMs) throw new Refusal('out-of-range', 'from is after to', { field: 'from', received: single['from'] });
  return {
    after,
    before,
    newestFirst: order === 'desc',
    limit,
    entities: [...new Set(entities)],
    matches: ({
      event: {
        type: its,
        data: { audit },
      },
    }) =>
      (types.size === 0 || types.has(its)) &&
      (actor === undefined || audit.actor === actor) &&
      (correlationId === undefined || audit.correlationId === correlationId) &&
      audit.recordedAt >= fromMs &&
      audit.recordedAt < toMs,
  };
}

/** Reads a field that may be given more than once. */
function several(
  received: string | readonly string[] | undefined,
  field: string,
  check: (name: string) => true | Refusal,
): readonly string[] {
  const names = received === undefined ? [] : [received].flat();
  if (names.length > MAX_NAMES)
    throw new Refusal('out-of-range', `${field} is given ${MAX_NAMES} times at most`, { field, received: names.length });
  for (const name of names) {
    const checked = check(name);
    if (checked !== true) throw checked;
  }
  return names;
}

function named(received: string | undefined, field: string): string | undefined {
  if (received !== undefined && !NAME.test(received))
    throw new Refusal('out-of-range', `${field} is 1 to 256 printable characters without spaces`, { field, received });
  return received;
}

/** Milliseconds since the epoch. The day is checked separately, because a parser reads 30 February as 2 March. Throws Refusal. */
export function timeMs(received: string | undefined, field: string): number | undefined {
  if (received === undefined) return undefined;
  const [, year, month, day] = RFC_3339.exec(received)?.map(Number) ?? [];
  const ms = Date.parse(received);
  const isDay = year !== undefined && new Date(Date.UTC(year, month! - 1, day)).getUTCDate() === day;
  if (!isDay || Number.isNaN(ms))
    throw new Refusal('wrong-type', `${field} is a time as RFC 3339 has it, 2026-01-31T12:00:00Z for one (a + in a query is written %2B)`, {
      field,
      received,
    });
  return ms;
}
