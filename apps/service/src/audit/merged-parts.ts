import { traceSentences } from '@nva/audit';
import { mappingKey, type Mapping } from '@nva/codec';
import { Refusal } from '@nva/identifiers';
import { SHARDS } from '@nva/kafka';
import { pageQuery } from '../reads/paging.ts';
import type { Asked } from '../reads/queries.ts';
import { paddedVnid } from '../reads/tables.ts';
import type { TraceQuestion } from './questions.ts';

type Answer = Readonly<Record<string, unknown>>;

/**
 * What an admin answered of the VNs that it keeps, as if there were no others; the feeds of NVEs, and streams of events, it has whole.
 */
export interface PartAnswer {
  /** Those for which it was asked. It may keep more. */
  readonly shards: ReadonlySet<number>;
  /** Empty if it was refused. */
  readonly answer: Answer;
  readonly refusal: Refusal | null;
}

interface OfVn {
  readonly vnid: number;
}

/** Lists by VN, and by key within each. Up to the first of the parts' ends, everything is known. */
function mergedByVn<T extends OfVn>(parts: readonly PartAnswer[], limit: number, keyOf: (item: T) => string): string {
  const placeOf = (item: T): string => `${paddedVnid(item.vnid)}/${keyOf(item)}`;
  const ends = parts.flatMap(({ answer }) => (answer['next'] === undefined ? [] : [String(answer['next'])])).toSorted(byText);
  const [end = null] = ends;
  const items = parts
    .flatMap(({ answer, shards }) => (answer['items'] as readonly T[]).filter(({ vnid }) => shards.has(vnid % SHARDS)))
    .map((item) => [placeOf(item), item] as const)
    .filter(([place]) => end === null || place <= end)
    .toSorted(([a], [b]) => byText(a, b));
  const next = items.length > limit ? items[limit - 1]![0] : end;
  const { items: _, next: __, ...rest } = parts[0]!.answer;
  return JSON.stringify({ items: items.slice(0, limit).map(([, item]) => item), ...(next === null ? {} : { next }), ...rest });
}

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

export const mergedDiff = (parts: readonly PartAnswer[], limit: number): string =>
  mergedByVn<OfVn & { readonly key: string }>(parts, limit, ({ key }) => key);

export const mergedTable = (parts: readonly PartAnswer[], { query }: Asked): string =>
  mergedByVn<OfVn & Mapping>(parts, pageQuery(query).limit, mappingKey);

interface TimelineItemBody {
  readonly position: string;
  readonly changes: readonly { readonly vnid?: number }[];
}

/** An event that changed VNs of several shards is in several parts, each time with the changes that are its own. */
export function mergedTimeline(parts: readonly PartAnswer[], limit: number): string {
  const horizon = Math.min(...parts.map(({ answer }) => (answer['next'] === undefined ? Infinity : Number(answer['next']))));
  const byPosition = new Map<number, TimelineItemBody>();
  for (const { answer, shards } of parts) {
    for (const item of answer['items'] as readonly TimelineItemBody[]) {
      const position = Number(item.position);
      if (position > horizon) continue;
      const changes = item.changes.filter(({ vnid }) => vnid === undefined || shards.has(vnid % SHARDS));
      byPosition.set(position, { ...item, changes: [...(byPosition.get(position)?.changes ?? []), ...changes] });
    }
  }
  const items = [...byPosition].toSorted(([a], [b]) => a - b).map(([, item]) => ({ ...item, changes: item.changes.toSorted(byVnid) }));
  const kept = items.slice(0, limit);
  const next = items.length > limit ? kept.at(-1)!.position : horizon === Infinity ? null : String(horizon);
  const { items: _, next: __, ...rest } = parts[0]!.answer;
  return JSON.stringify({ items: kept, ...(next === null ? {} : { next }), ...rest });
}

const byVnid = (a: { readonly vnid?: number }, b: { readonly vnid?: number }): number => (a.vnid ?? 0) - (b.vnid ?? 0);

interface ReachabilityBody extends Answer {
  readonly intervals: readonly (OfVn & { readonly ended: object | null })[];
  readonly partial: boolean;
  /** One for each interval, or one that there is none; then one more if it is partial. */
  readonly sentences: readonly string[];
}

export function mergedReachability(parts: readonly PartAnswer[]): string {
  const answers = parts.map(({ answer }) => answer as ReachabilityBody);
  const told = answers
    .flatMap(({ intervals, sentences }, part) =>
      intervals
        .map((interval, i) => ({ interval, sentence: sentences[i]! }))
        .filter(({ interval }) => parts[part]!.shards.has(interval.vnid % SHARDS)),
    )
    .toSorted((a, b) => a.interval.vnid - b.interval.vnid);
  const partial = answers.find((one) => one.partial);
  const nowhere = answers.find(({ intervals }) => intervals.length === 0)?.sentences[0];
  return JSON.stringify({
    ...answers[0],
    reachable: told.some(({ interval }) => interval.ended === null),
    intervals: told.map(({ interval }) => interval),
    partial: partial !== undefined,
    sentences: [...(told.length > 0 ? told.map(({ sentence }) => sentence) : [nowhere!]), ...(partial ? [partial.sentences.at(-1)!] : [])],
  });
}

/**
 * A trace that names no VN. Each part looked for the address in the VNs of its own: it found one VN and traced the packet there, or
 * several, or none. Throws the Refusal of a part, or that the VN is to be named.
 */
export function mergedTrace(parts: readonly PartAnswer[], question: TraceQuestion): string {
  const failed = parts.find(({ refusal }) => refusal && refusal.code !== 'missing-field');
  if (failed) throw failed.refusal!;
  const answered = parts.filter(({ refusal }) => !refusal);
  const found = answered.filter(({ answer, shards }) => answer['vnid'] !== null && shards.has(Number(answer['vnid']) % SHARDS));
  // A part that names VNs of others has found the address in none of its own.
  const several = parts.filter(({ refusal, shards }) => refusal && candidatesIn(refusal).every((vnid) => shards.has(vnid % SHARDS)));
  const [one, ...others] = found;
  if (one && others.length === 0 && several.length === 0) return JSON.stringify(one.answer);
  const nowhere = answered.find(({ answer }) => answer['vnid'] === null);
  if (nowhere) return JSON.stringify(nowhere.answer);
  const having = [...found.map(({ answer }) => Number(answer['vnid'])), ...several.flatMap(({ refusal }) => candidatesIn(refusal!))];
  const candidates = having.length > 0 ? having.toSorted((a, b) => a - b) : candidatesIn(parts.find(({ refusal }) => refusal)!.refusal!);
  const [sentence] = traceSentences({ vnid: null, candidates, outcome: 'dropped', steps: [] }, question);
  throw new Refusal('missing-field', sentence!, { field: 'vnid', expected: candidates });
}

const candidatesIn = ({ detail }: Refusal): readonly number[] => (Array.isArray(detail.expected) ? (detail.expected as number[]) : []);
