import type { EventCodec } from '@nva/codec';
import type { AppendResult, StreamAppend } from '@nva/ports';
import { AppendStage } from './append-stage.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Inspected } from './inspection.ts';
import type { SchemaRow } from './protocol.ts';
import type { StoredReads } from './stored-reads.ts';
import { NO_SLOT, type StreamHeads } from './stream-heads.ts';

/** Decides appends on the heads of their streams, including events that are not durable yet, and gives positions to accepted events. */
export class AppendDecider {
  readonly #stage: AppendStage;
  readonly #heads: StreamHeads;
  readonly #commits: GroupCommit;
  readonly #reads: StoredReads;
  /** Today's schemas that the file does not hold yet, by event type: each is written with the first event that needs it. */
  readonly #newSchemas = new Map<string, SchemaRow>();

  constructor(codec: EventCodec, { heads, schemas }: Inspected, commits: GroupCommit, reads: StoredReads) {
    this.#stage = new AppendStage(codec);
    this.#heads = heads;
    this.#commits = commits;
    this.#reads = reads;
    for (const { fingerprint, schema } of codec.schemas) {
      if (!schemas.has(fingerprint))
        this.#newSchemas.set((schema as { name: string }).name, { fingerprint, schema: JSON.stringify(schema) });
    }
  }

  async append(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    const admission = this.#commits.admission();
    if (admission) await admission;
    let results: AppendResult[];
    try {
      this.#stage.encode(appends);
      results = this.#decide(appends);
    } finally {
      if (admission) this.#commits.entered();
    }
    // Refusals wait too: they may depend on events that a failing disk would undo.
    await this.#commits.whenDurable();
    for (const [index, result] of results.entries()) {
      if (result.outcome === 'wrong-expected-revision')
        results[index] = (await this.#repeated(appends[index]!, result.actualRevision)) ?? result;
    }
    return results;
  }

  #decide(appends: readonly StreamAppend[]): AppendResult[] {
    const { appendEnds, bytes, nameBytes, nameHashes } = this.#stage;
    const results: AppendResult[] = [];
    let from = 0;
    let event = 0;
    for (const [index, append] of appends.entries()) {
      const to = appendEnds[index]!;
      const nameEnd = from + 1 + nameBytes[index]!;
      let slot = this.#heads.slotOf(bytes, from + 1, nameEnd, nameHashes[index]!);
      const actualRevision = this.#heads.revision(slot);
      if (actualRevision === append.expectedRevision) {
        if (slot === NO_SLOT) slot = this.#heads.add(bytes, from + 1, nameEnd, nameHashes[index]!);
        results.push(this.#place(append, slot, from, to, event));
      } else results.push({ outcome: 'wrong-expected-revision', expectedRevision: append.expectedRevision, actualRevision });
      from = to;
      event += append.events.length;
    }
    this.#commits.schedule();
    return results;
  }

  #place(append: StreamAppend, slot: number, from: number, to: number, firstEvent: number): AppendResult {
    const { expectedRevision, events } = append;
    const { bytes, ends, idWords } = this.#stage;
    if (this.#newSchemas.size > 0) for (const { event } of events) this.#keepSchema(event.type);
    const frame = this.#commits.reserve(events.length, to - from);
    const base = frame.addEntries(bytes, from, to);
    const last = this.#commits.place(append);
    let previous = this.#heads.position(slot);
    for (let i = 0; i < events.length; i++) {
      frame.addRow(idWords, (firstEvent + i) * 4, previous, expectedRevision + 1 + i, base + ends[firstEvent + i]!);
      previous = last - events.length + 1 + i;
    }
    const revision = expectedRevision + events.length;
    this.#heads.advance(slot, revision, last);
    return { outcome: 'appended', revision, position: last, repeated: false };
  }

  #keepSchema(type: string): void {
    const schema = this.#newSchemas.get(type);
    if (!schema) return;
    this.#commits.addSchema(schema);
    this.#newSchemas.delete(type);
  }

  /** The answer of the first attempt, if these very events are already where the append wants them. */
  async #repeated({ stream, expectedRevision, events }: StreamAppend, actualRevision: number): Promise<AppendResult | undefined> {
    if (expectedRevision + events.length > actualRevision) return undefined;
    let index = 0;
    let position = 0;
    for await (const stored of this.#reads.stream(stream, expectedRevision + 1, events.length)) {
      if (stored.id !== events[index++]!.id) return undefined;
      position = stored.position;
    }
    return { outcome: 'appended', revision: expectedRevision + events.length, position, repeated: true };
  }
}
