import type { Auditor } from '@nva/audit';
import { NO_QUOTAS, type Quotas } from '@nva/domain';
import type { Instant } from '@nva/history';
import { SHARDS } from '@nva/kafka';
import type { ArchivableLog, Clock, ReadableLog } from '@nva/ports';
import { actorOf, NOTHING_PENDING, QuotaKeeper } from '@nva/registrar';
import { whatIf } from '@nva/what-if';
import type { IdentityRate } from '../config/alarms.ts';
import { QUERIES, type Query } from '../reads/queries.ts';
import type { World } from '../reads/world.ts';
import { READ_SLICE_MS, READS_WAITING } from '../turns/caller-turns.ts';
import { FairQueue } from '../turns/fair-queue.ts';
import { inTurns } from '../turns/sliced.ts';
import { Archiver, type ArchivePart, type ArchiveQuestion } from './archive.ts';
import { instantBody, type PastQuery, type Question } from './audit.ts';
import { HistoryQueries } from './history-queries.ts';
import { PastAnswers } from './past-answers.ts';
import { whatIfText } from './what-if-answer.ts';
import type { WhatIfQuestion } from './what-if-question.ts';

export interface PastQueriesOptions {
  readonly auditor: Auditor;
  readonly log: ReadableLog;
  /** The same log, if it can be archived. */
  readonly archivable: ArchivableLog | null;
  readonly clock: Clock;
  readonly quotas: Quotas | null;
  readonly identityRate: IdentityRate;
}

/**
 * Answers queries about the past, in turns of the callers: from the history where it has what is asked for, which costs as much as the
 * answer is long, and else from a network of the past, by the same code as queries about the present.
 */
export class PastQueries {
  readonly #options: PastQueriesOptions;
  readonly #turns: FairQueue;
  readonly #history: HistoryQueries;
  readonly #answers: PastAnswers;
  readonly #archiver: Archiver;

  constructor(options: PastQueriesOptions) {
    this.#options = options;
    this.#turns = new FairQueue({ clock: options.clock, bounds: READS_WAITING, sliceMs: READ_SLICE_MS });
    this.#history = new HistoryQueries(options.auditor);
    this.#answers = new PastAnswers(options);
    this.#archiver = new Archiver(options.archivable, options.auditor);
  }

  /** The answer as JSON. Rejects with a Refusal. */
  answer(question: Question): Promise<string> {
    switch (question.kind) {
      case 'query':
        return this.#query(question);
      case 'diff':
        return this.#answers.diff(question);
      case 'timeline':
        return this.#answers.timeline(question);
      case 'explain':
        return this.#answers.explain(question);
      case 'trace':
        return this.#answers.trace(question);
      case 'reachability':
        return this.#answers.reachability(question);
      case 'what-if':
        return this.#whatIf(question);
    }
  }

  /** A part of the log's archive. Rejects with a Refusal. */
  archive(question: ArchiveQuestion): Promise<ArchivePart> {
    return this.#archiver.part(question);
  }

  async #query({ name, asked, at, head }: PastQuery): Promise<string> {
    const { auditor, clock } = this.#options;
    const caller = actorOf(asked.caller);
    const instant = await auditor.instant(at, head);
    const query = this.#history.query(name, asked, instant.position);
    const known = query && (await inTurns(this.#turns, clock, caller, query));
    const text = known ?? (await inTurns(this.#turns, clock, caller, (QUERIES[name] as Query)(await this.#world(instant), asked)));
    return withInstant(text, instant);
  }

  async #whatIf({ at, steps, limit, caller, head }: WhatIfQuestion): Promise<string> {
    const { auditor, clock, quotas } = this.#options;
    const instant = await auditor.instant(at ?? { position: head }, head);
    const { network } = await auditor.at(instant.position);
    const wallMs = at ? instant.recordedAt : clock.wallMs();
    const found = await inTurns(
      this.#turns,
      clock,
      actorOf(caller),
      whatIf(steps, { network, caller, quotas, wallMs, shards: SHARDS, limit }),
    );
    return whatIfText(found, instant);
  }

  close(): void {
    this.#turns.close();
  }

  async #world({ position, recordedAt }: Instant): Promise<World> {
    const { auditor, quotas, identityRate } = this.#options;
    const { network, digests } = await auditor.at(position);
    return {
      network,
      digests,
      identityRate,
      quotas: new QuotaKeeper(quotas ?? NO_QUOTAS, network, NOTHING_PENDING),
      wallMs: () => recordedAt,
      applied: () => null,
    };
  }
}

/** An answer is a JSON object with at least one field. */
const withInstant = (text: string, instant: Instant): string => `${text.slice(0, -1)},"at":${JSON.stringify(instantBody(instant))}}`;
