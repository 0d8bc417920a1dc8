import { parseVnid, numeral, Refusal } from '@nva/identifiers';
import { formatShards, SHARDS } from '@nva/kafka';
import type { Position } from '@nva/ports';
import type { AdminShare } from '../config/admins-file.ts';
import { asksForConflicted, vnidOfResolve } from '../reads/queries.ts';
import type { ProofAnswer, ProofQuestion } from '../tlog/questions.ts';
import type { ProofStatus } from '../tlog/status.ts';
import type { ArchivePart, ArchiveQuestion } from './archive.ts';
import type { Asker, Part } from './asker.ts';
import type { Audit, PastQuery, Question } from './audit.ts';
import { mergedDiff, mergedReachability, mergedTable, mergedTimeline, mergedTrace, type PartAnswer } from './merged-parts.ts';
import type { Passable } from './question-url.ts';
import { askAdmin } from './other-admins.ts';

export interface SharedAuditOptions {
  /** What this process answers by itself. */
  readonly own: Audit;
  /** Shards of which it keeps the history. */
  readonly shards: readonly number[];
  /** Who keeps which, this process perhaps among them. */
  readonly admins: readonly AdminShare[];
  readonly log: string;
  /** This process alone writes the log: nothing is beyond what it has folded. */
  readonly ownsLog: boolean;
}

/** Where the history is that answers a question: here whatever the VN, where a VN's is, or everywhere a part. */
type Where = 'here' | 'everywhere' | { readonly vnid: number };

/**
 * The audit of a log whose history several admins share by the VNs' shards. A question about one VN is answered by an admin that keeps
 * it. One about several is put to one admin of each share, for their part, and the parts are put together. All answer for the same end
 * of the log, and a part is never passed on again.
 */
export class SharedAudit implements Audit {
  readonly #options: SharedAuditOptions;
  readonly #own: ReadonlySet<number>;
  /** The shards of others, by the share that is asked for them. */
  readonly #others: readonly { readonly shards: readonly number[]; readonly urls: readonly string[] }[];

  constructor(options: SharedAuditOptions) {
    this.#options = options;
    this.#own = new Set(options.shards);
    this.#others = options.admins
      .map(({ shards, urls }) => ({ shards: shards.filter((shard) => !this.#own.has(shard)), urls }))
      .filter(({ shards }) => shards.length > 0);
  }

  async ask(question: Question, asker: Asker): Promise<string> {
    const { own, ownsLog } = this.#options;
    if (asker.part) {
      const { shards, head } = asker.part;
      this.#assertKept(asker.part);
      return own.ask(withShards({ ...question, head: ownsLog ? Math.min(head, question.head) : head }, shards), asker);
    }
    if (question.kind === 'what-if' || this.#others.length === 0) return own.ask(question, asker);
    const where = whereOf(question);
    if (where === 'everywhere') return this.#merged(question, asker);
    const share = where === 'here' || this.#own.has(where.vnid % SHARDS) ? null : this.#shareOf(where.vnid % SHARDS);
    return share === null ? own.ask(question, asker) : askAdmin(share, question, this.#partFor(share, question), asker);
  }

  archive(question: ArchiveQuestion, caller: string): Promise<ArchivePart> {
    return this.#options.own.archive(question, caller);
  }

  proof(question: ProofQuestion, caller: string): Promise<ProofAnswer> {
    return this.#options.own.proof(question, caller);
  }

  get proofStatus(): ProofStatus | null {
    return this.#options.own.proofStatus;
  }

  folded(position: Position): void {
    this.#options.own.folded(position);
  }

  stop(): Promise<void> {
    return this.#options.own.stop();
  }

  #assertKept({ shards, log }: Part): void {
    const { shards: kept, log: ownLog } = this.#options;
    if (log !== ownLog)
      throw new Refusal('misdirected', `this is an admin of log ${ownLog}`, { field: 'X-Audit-Part', received: log, expected: ownLog });
    const missing = shards.filter((shard) => !this.#own.has(shard));
    if (missing.length > 0)
      throw new Refusal('misdirected', `this admin keeps the history of shards ${formatShards(kept)}`, {
        field: 'X-Audit-Part',
        received: formatShards(missing),
        expected: formatShards(kept),
      });
  }

  #shareOf(shard: number) {
    return this.#others.find(({ shards }) => shards.includes(shard))!;
  }

  #partFor({ shards }: { readonly shards: readonly number[] }, { head }: Question): Part {
    return { shards, head, log: this.#options.log };
  }

  async #merged(question: Passable, asker: Asker): Promise<string> {
    const { own, shards } = this.#options;
    const parts = await Promise.all([
      partOf(shards, own.ask(withShards(question, shards), asker)),
      ...this.#others.map((share) => partOf(share.shards, askAdmin(share, question, this.#partFor(share, question), asker))),
    ]);
    if (question.kind === 'trace') return mergedTrace(parts, question);
    const refused = parts.find(({ refusal }) => refusal !== null);
    if (refused) throw refused.refusal!;
    switch (question.kind) {
      case 'diff':
        return mergedDiff(parts, question.limit);
      case 'timeline':
        return mergedTimeline(parts, question.limit);
      case 'reachability':
        return mergedReachability(parts);
      default:
        return mergedTable(parts, (question as PastQuery).asked);
    }
  }
}

/** An admin may keep more shards than those for which it is asked. */
const withShards = (question: Question, shards: readonly number[]): Question =>
  question.kind === 'trace' && question.vnid === null ? { ...question, shards } : question;

async function partOf(shards: readonly number[], answer: Promise<string>): Promise<PartAnswer> {
  try {
    return { shards: new Set(shards), answer: JSON.parse(await answer) as PartAnswer['answer'], refusal: null };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { shards: new Set(shards), answer: {}, refusal: error };
  }
}

/** Throws Refusal. */
function whereOf(question: Passable): Where {
  switch (question.kind) {
    case 'query':
      return whereOfQuery(question);
    case 'diff':
      return 'vnid' in question.of ? question.of : 'everywhere';
    case 'timeline':
      if ('vnid' in question.of) return question.of;
      // Every admin keeps the feeds of all NVEs.
      return 'tsId' in question.of ? 'everywhere' : 'here';
    case 'explain':
      return question;
    case 'trace':
      return question.vnid === null ? 'everywhere' : { vnid: question.vnid };
    case 'reachability':
      return 'everywhere';
  }
}

/** Queries that the history does not answer are answered from a network of that instant, which every admin can make. */
function whereOfQuery({ name, asked }: PastQuery): Where {
  switch (name) {
    case 'mappings':
      return asksForConflicted(asked) ? 'here' : { vnid: parseVnid(numeral(asked.path['vnid'])) };
    case 'resolve':
      return asked.query['mode'] === 'redirect' ? 'here' : { vnid: parseVnid(numeral(vnidOfResolve(asked))) };
    case 'table':
      return 'everywhere';
    default:
      return 'here';
  }
}
