import {
  differencesAtNve,
  differencesOfVn,
  explain,
  reachability,
  reachabilitySentences,
  sentencesOf,
  tenantOfStream,
  timeline,
  trace,
  traceSentences,
  vnsOfStream,
  vnsOfNve,
  whatIsDone,
  type Auditor,
  type NamedTs,
  type Step,
  type ToldInterval,
  type TimelineItem,
  type VnDifference,
} from '@nva/audit';
import { CONTEXT_KEY, mappingKey } from '@nva/codec';
import type { Network } from '@nva/fold';
import type { HistoryEntry, Instant } from '@nva/history';
import { nveStream, Refusal, vnStream } from '@nva/identifiers';
import type { FeedName, Position, ReadableLog, RecordedEvent } from '@nva/ports';
import { paddedVnid } from '../reads/tables.ts';
import { mappingBody } from '../reads/views.ts';
import { instantBody } from './audit.ts';
import { keptVns } from './kept-vns.ts';
import type { DiffQuestion, ExplainQuestion, ReachabilityQuestion, TimelineQuestion, TraceQuestion } from './questions.ts';

export interface PastAnswersOptions {
  readonly auditor: Auditor;
  readonly log: ReadableLog;
}

/** Answers what became of tables, what happened to something, and why an address is there or not. */
export class PastAnswers {
  readonly #auditor: Auditor;
  readonly #log: ReadableLog;

  constructor({ auditor, log }: PastAnswersOptions) {
    this.#auditor = auditor;
    this.#log = log;
  }

  /** Rejects with a Refusal. */
  async diff({ of, from, to, after, limit, head }: DiffQuestion): Promise<string> {
    const first = await this.#auditor.instant(from, head, 'from');
    const last = await this.#auditor.instant(to ?? { position: head }, head, 'to');
    assertOrder(first, last);
    const found: (readonly [place: string, difference: VnDifference])[] = [];
    for (const difference of this.#differences(of, first.position, last.position, after)) {
      const place = 'vnid' in of ? difference.key : `${paddedVnid(difference.vnid)}/${difference.key}`;
      if (place > after) found.push([place, difference]);
      if (found.length > limit) break;
    }
    const items: object[] = [];
    for (const [, difference] of found.slice(0, limit))
      items.push(differenceBody(difference, (await this.#log.readAt(difference.position))!));
    return JSON.stringify({
      items,
      ...(found.length > limit && { next: found[limit - 1]![0] }),
      from: instantBody(first),
      to: instantBody(last),
    });
  }

  /** Rejects with a Refusal. */
  async timeline({ of, from, to, after, limit, head }: TimelineQuestion): Promise<string> {
    const first = from && (await this.#auditor.instant(from, head, 'from'));
    const last = await this.#auditor.instant(to ?? { position: head }, head, 'to');
    if (first) assertOrder(first, last);
    const source = { log: this.#log, ask: this.#auditor.ask };
    const begin = Math.max(after, first?.position ?? 0);
    const page = await timeline(source, await this.#timelineOf(of, begin, last.position), { after: begin, upTo: last.position, limit });
    return JSON.stringify({
      items: page.items.map(itemBody),
      ...(page.next !== null && { next: String(page.next) }),
      ...(first && { from: instantBody(first) }),
      to: instantBody(last),
    });
  }

  /** Rejects with a Refusal. */
  async explain({ at, head, ...question }: ExplainQuestion): Promise<string> {
    const instant = await this.#auditor.instant(at ?? { position: head }, head);
    const { position } = instant;
    const network = async (): Promise<Network> => (await this.#auditor.at(position)).network;
    const explanation = await explain({ log: this.#log, ask: this.#auditor.ask, network }, question, position);
    const { vnid, address, nveId, there, reason, tsId, conflict, entries, chain, isPartial } = explanation;
    return JSON.stringify({
      vnid,
      ...address,
      nveId,
      there,
      reason,
      tsId,
      conflict,
      entries: entries.map(({ mapping, position: since }) => mappingBody(mapping, since)),
      chain: chain.map(({ event, parts }) => ({ ...eventBody(event), contributed: parts })),
      partial: isPartial,
      sentences: sentencesOf(explanation),
      at: instantBody(instant),
    });
  }

  /** Rejects with a Refusal. */
  async trace({ at, head, shards, ...question }: TraceQuestion): Promise<string> {
    const instant = await this.#auditor.instant(at ?? { position: head }, head);
    const source = { log: this.#log, ask: this.#auditor.ask, ...(shards && { inVn: keptVns(shards).has }) };
    const found = await trace(source, question, instant.position);
    if (found.candidates.length > 0)
      throw new Refusal('missing-field', traceSentences(found, question)[0]!, { field: 'vnid', expected: found.candidates });
    return JSON.stringify({
      from: question.from,
      to: 'mac' in question.to ? question.to.mac : question.to.ip,
      vnid: found.vnid,
      outcome: found.outcome,
      steps: found.steps.map(stepBody),
      sentences: traceSentences(found, question),
      at: instantBody(instant),
    });
  }

  /** Rejects with a Refusal. */
  async reachability({ a, b, from, to, head }: ReachabilityQuestion): Promise<string> {
    const first = from && (await this.#auditor.instant(from, head, 'from'));
    const last = await this.#auditor.instant(to ?? { position: head }, head, 'to');
    if (first) assertOrder(first, last);
    const ofB = new Set(await vnsOfStream(this.#log, b.stream, last.position));
    const vnids = (await vnsOfStream(this.#log, a.stream, last.position)).filter((vnid) => ofB.has(vnid));
    const names = [a.tsId, b.tsId] as const;
    const systems = [await this.#named(a), await this.#named(b)] as const;
    const found = reachability(this.#auditor.ask, systems, vnids, { after: first?.position ?? 0, upTo: last.position });
    const intervals: ToldInterval[] = [];
    for (const { vnid, began, ended } of found.intervals)
      intervals.push({
        vnid,
        began: began === null ? null : await this.#log.readAt(began),
        ended: ended === null ? null : await this.#log.readAt(ended),
      });
    return JSON.stringify({
      a: a.tsId,
      b: b.tsId,
      reachable: intervals.some(({ ended }) => !ended),
      intervals: intervals.map(({ vnid, began, ended }) => ({ vnid, began: began && eventBody(began), ended: ended && eventBody(ended) })),
      partial: found.isPartial,
      sentences: reachabilitySentences(names, intervals, found.isPartial),
      ...(first && { from: instantBody(first) }),
      to: instantBody(last),
    });
  }

  async #timelineOf(of: TimelineQuestion['of'], begin: Position, upTo: Position): Promise<Parameters<typeof timeline>[1]> {
    if ('nveId' in of) return { feeds: [{ kind: 'nve', nveId: of.nveId }], streams: [nveStream(of.nveId)] };
    if ('stream' in of) {
      const feeds = (await vnsOfStream(this.#log, of.stream, upTo)).map((vnid) => ({ kind: 'vn', vnid }) as const);
      return { feeds, streams: [of.stream], counts: this.#ofTenantSystem(await this.#named(of), feeds, begin) };
    }
    const feeds = [{ kind: 'vn', vnid: of.vnid } as const];
    if (!('address' in of)) return { feeds, streams: [vnStream(of.vnid)] };
    const { address, vnid } = of;
    const held = new Set(this.#auditor.ask((history) => history.resolve(vnid, address, begin)).map(({ mapping }) => mappingKey(mapping)));
    const has = ({ value }: HistoryEntry): boolean =>
      value?.type === 'Mapping' && ('mac' in address ? value.data.mac === address.mac : value.data.ip === address.ip);
    return {
      feeds,
      streams: [],
      counts: (_, entry) => {
        if (!has(entry)) return held.delete(entry.key);
        held.add(entry.key);
        return true;
      },
    };
  }

  async #named({ tsId, stream }: { readonly tsId: string; readonly stream: string }): Promise<NamedTs> {
    return { tsId, tenantId: (await tenantOfStream(this.#log, stream)) ?? '' };
  }

  /** Which changes are of a tenant system: those of its key in VNs of its tenant. A VNID may become another tenant's. */
  #ofTenantSystem({ tsId, tenantId }: NamedTs, feeds: readonly FeedName[], begin: Position) {
    const prefix = `mapping/${tsId}/`;
    const own = new Set<FeedName>();
    const take = (feed: FeedName, value: HistoryEntry['value'] | undefined): void => {
      if (value?.type === 'VnContext') own[value.data.tenantId === tenantId ? 'add' : 'delete'](feed);
    };
    for (const feed of feeds) take(feed, this.#auditor.ask((history) => history.record(feed, CONTEXT_KEY, begin))?.value);
    return (feed: FeedName, { key, value }: HistoryEntry): boolean => {
      take(feed, value);
      return key.startsWith(prefix) && own.has(feed);
    };
  }

  *#differences(of: DiffQuestion['of'], from: Position, to: Position, after: string): Generator<VnDifference, void> {
    if ('vnid' in of) {
      yield* this.#auditor.ask((history) => differencesOfVn(history, of.vnid, from, to));
      return;
    }
    for (const vn of this.#auditor.ask((history) => vnsOfNve(history, of.nveId, from, to)))
      // No key has this character: everything of the VN stands before it.
      if (`${paddedVnid(vn.vnid)}/\uffff` > after) yield* this.#auditor.ask((history) => differencesAtNve(history, vn, from, to));
  }
}

function assertOrder(first: Instant, last: Instant): void {
  if (first.position > last.position)
    throw new Refusal('out-of-range', `from is after to: position ${first.position} is after position ${last.position}`, {
      field: 'from',
      received: String(first.position),
    });
}

/** An event, without what only its aggregate needs. */
const eventBody = ({ position, stream, event }: RecordedEvent): object => ({
  position: String(position),
  recordedAt: new Date(event.data.audit.recordedAt).toISOString(),
  type: event.type,
  entity: stream,
  actor: event.data.audit.actor,
  correlationId: event.data.audit.correlationId,
  what: whatIsDone(event),
});

/** The value of a record with its position; null for none. */
const recordBody = (record: Pick<HistoryEntry, 'value' | 'position'> | null): object | null =>
  record?.value ? { ...record.value.data, position: String(record.position) } : null;

const differenceBody = ({ vnid, key, before, after }: VnDifference, event: RecordedEvent): object => ({
  vnid,
  key,
  change: !before ? 'added' : after ? 'changed' : 'removed',
  before: recordBody(before),
  after: recordBody(after),
  event: eventBody(event),
});

const itemBody = ({ event, changes }: TimelineItem): object => ({
  ...eventBody(event),
  changes: changes.map(({ feed, entry }) => ({ ...feedBody(feed), key: entry.key, value: recordBody(entry) })),
});

const stepBody = (step: Step): object =>
  step.step === 'lookup' ? { ...step, entry: step.entry && mappingBody(step.entry.mapping, step.entry.position) } : step;

const feedBody = (feed: FeedName): object => (feed.kind === 'vn' ? { vnid: feed.vnid } : { nveId: feed.nveId });
