import type { EventStore, EventToAppend } from '@nva/ports';

/** Events of one stream in one append at most; what more waits goes behind it. */
const MAX_EVENTS_TOGETHER = 16;

/** An event that is to be written, decided on the stream as it was at `expectedRevision`. */
export interface Write {
  readonly stream: string;
  readonly expectedRevision: number;
  readonly toAppend: EventToAppend;
}

export interface AppendListener<W> {
  /** Another writer came first. Nothing of these was written; they are in the order in which they were decided, stream by stream. */
  overtaken(writes: readonly W[]): void;
  /** Whether these were written is not known, or they were not because those before them may not be. */
  lost(writes: readonly W[], cause: unknown): void;
}

/**
 * Appends that keep the order of decisions. A later event of a stream was decided on an earlier one that is still on its way; if another
 * writer comes before the earlier one, the revision that the later one expects is there all the same, made by that writer, and the log
 * would take it. So a stream has one append on its way: events that were decided together go in it together, all or none, and later
 * ones wait until it stands. Streams do not wait for each other.
 */
export class StreamAppends<W extends Write> {
  readonly #store: EventStore;
  readonly #listener: AppendListener<W>;
  /** Streams with an append on its way, and what waits behind it. */
  readonly #busy = new Map<string, W[]>();

  constructor(store: EventStore, listener: AppendListener<W>) {
    this.#store = store;
    this.#listener = listener;
  }

  send(writes: readonly W[]): void {
    const groups: W[][] = [];
    for (const write of writes) {
      const waiting = this.#busy.get(write.stream);
      if (waiting) waiting.push(write);
      else {
        this.#busy.set(write.stream, []);
        groups.push([write]);
      }
    }
    if (groups.length === 0) return;
    // What waits there now was decided in this very call.
    for (const group of groups) this.#fill(group);
    void this.#append(groups);
  }

  async #append(first: readonly W[][]): Promise<void> {
    for (let groups = first; groups.length > 0; ) {
      let outcomes: readonly string[];
      try {
        const appends = groups.map((group) => ({ stream: group[0]!.stream, expectedRevision: group[0]!.expectedRevision, events: group.map(({ toAppend }) => toAppend) }));
        outcomes = (await this.#store.append(appends)).map(({ outcome }) => outcome);
      } catch (cause) {
        this.#listener.lost(groups.flatMap((group) => [...group, ...this.#release(group)]), cause);
        return;
      }
      const overtaken: W[] = [];
      const next: W[][] = [];
      groups.forEach((group, i) => {
        if (outcomes[i] !== 'appended') overtaken.push(...group, ...this.#release(group));
        else if (this.#busy.get(group[0]!.stream)!.length === 0) this.#release(group);
        else next.push(this.#fill([this.#busy.get(group[0]!.stream)!.shift()!]));
      });
      if (overtaken.length > 0) this.#listener.overtaken(overtaken);
      groups = next;
    }
  }

  /** Takes along what waits behind. */
  #fill(group: W[]): W[] {
    group.push(...this.#busy.get(group[0]!.stream)!.splice(0, MAX_EVENTS_TOGETHER - group.length));
    return group;
  }

  /** The stream is free; returns what waited. */
  #release(group: readonly W[]): readonly W[] {
    const { stream } = group[0]!;
    const waiting = this.#busy.get(stream) ?? [];
    this.#busy.delete(stream);
    return waiting;
  }
}
