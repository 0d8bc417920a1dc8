import { NO_STREAM, TOMBSTONE_TYPE, type Expected, type Outcome, type Proposed, type Stored } from './stored.ts';

/** A stream as the next append sees it: what is written and what is on its way. */
class Stream {
  readonly ids: string[] = [];
  readonly records: Stored[] = [];
  tombstoned = false;
  /** Events below it are gone: what a soft delete sets (server: `$tb` in the stream's metadata). */
  truncateBefore = 0;
}

export type Decision =
  | { readonly kind: 'write'; readonly firstRevision: number }
  | { readonly kind: 'idempotent'; readonly lastRevision: number }
  | Exclude<Outcome, { readonly kind: 'written' | 'idempotent' }>;

/**
 * What the server keeps of its streams to decide an append. Follows `IndexWriter.CheckCommit` of KurrentDB: an exact revision is
 * compared with every id that stands behind it, so a repeat of a whole append is idempotent and of half of one is a wrong
 * version; without an exact revision the ids are looked for in the stream. A tombstone refuses everything.
 */
export class Streams {
  readonly #streams = new Map<string, Stream>();

  decide(name: string, expected: Expected, events: readonly Proposed[]): Decision {
    const stream = this.#streams.get(name);
    if (!stream)
      return expected === NO_STREAM || expected === 'any'
        ? { kind: 'write', firstRevision: 0 }
        : { kind: 'wrong-version', expected, actual: NO_STREAM };
    if (stream.tombstoned) return { kind: 'deleted' };
    const last = stream.ids.length - 1;
    if (typeof expected !== 'number') {
      const found = events.map(({ id }) => stream.ids.lastIndexOf(id));
      if (found.every((revision) => revision >= 0)) return { kind: 'idempotent', lastRevision: found.at(-1)! };
      return found[0]! >= 0 ? { kind: 'wrong-version', expected, actual: last } : { kind: 'write', firstRevision: last + 1 };
    }
    if (expected === last) return { kind: 'write', firstRevision: last + 1 };
    if (expected > last) return { kind: 'wrong-version', expected, actual: last };
    if (events.every(({ id }, index) => stream.ids[expected + 1 + index] === id))
      return { kind: 'idempotent', lastRevision: expected + events.length };
    const begunAgain = expected === NO_STREAM && this.isSoftDeleted(name) && stream.ids[0] !== events[0]!.id;
    return begunAgain ? { kind: 'write', firstRevision: last + 1 } : { kind: 'wrong-version', expected, actual: last };
  }

  /** Takes the place of events that are about to be written, so that the next append of the same group sees them. */
  reserve(name: string, events: readonly Proposed[]): void {
    const stream = this.#of(name);
    for (const { id } of events) stream.ids.push(id);
  }

  /** Records one event that is written; its place may have been reserved before. */
  record(stored: Stored): void {
    const stream = this.#of(stored.stream);
    if (stored.type === TOMBSTONE_TYPE) stream.tombstoned = true;
    else {
      stream.ids[stored.revision] = stored.id;
      stream.records.push(stored);
    }
  }

  softDelete(name: string): void {
    const stream = this.#of(name);
    stream.truncateBefore = stream.ids.length;
  }

  isSoftDeleted(name: string): boolean {
    const stream = this.#streams.get(name);
    return stream !== undefined && stream.truncateBefore > 0 && stream.truncateBefore >= stream.ids.length;
  }

  /** The revision of the next event to be recorded, whatever is reserved behind it. */
  next(name: string): number {
    return this.#streams.get(name)?.records.length ?? 0;
  }

  isTombstoned(name: string): boolean {
    return this.#streams.get(name)?.tombstoned === true;
  }

  /** What a reader may see; undefined if it is to be told that there is no such stream. */
  visible(name: string): readonly Stored[] | undefined {
    const stream = this.#streams.get(name);
    if (!stream || stream.records.length === 0 || this.isSoftDeleted(name)) return undefined;
    return stream.truncateBefore === 0 ? stream.records : stream.records.slice(stream.truncateBefore);
  }

  at(name: string, revision: number): Stored {
    return this.#streams.get(name)!.records[revision]!;
  }

  #of(name: string): Stream {
    let stream = this.#streams.get(name);
    if (!stream) this.#streams.set(name, (stream = new Stream()));
    return stream;
  }
}
