/** Least that a record takes in a fetch: a control batch (Kafka, «RecordBatch»). Others are counted by what a usual one takes. */
const BYTES_PER_OFFSET = 300;

interface Cycle {
  answered: boolean;
  /** Topics that the cycle's fetch brought something of. */
  readonly seen: Set<string>;
  bytes: number;
}

/**
 * Finds out which topics have nothing behind the position they are read at. A record that compaction took, at the end of a
 * topic, leaves a gap that no batch ever tells of: kafkajs hands over nothing, and the topic's end is never reached by counting.
 *
 * A cycle is one fetch from one broker, with the handling of what it brought. A topic is quiet when every broker's last cycle
 * brought nothing of it, was really answered (a fetch that failed inside kafkajs looks empty too), and was not so full that the
 * topic may have had no room in it.
 */
export class FetchCycles {
  readonly #maxBytes: number;
  readonly #quiet: (topic: string) => void;
  readonly #cycles = new Map<number, Cycle>();

  constructor(maxBytesPerFetch: number, quiet: (topic: string) => void) {
    this.#maxBytes = maxBytesPerFetch;
    this.#quiet = quiet;
  }

  /** A fetch from the broker begins, and so the handling of its last one is over. */
  begin(nodeId: number, topics: Iterable<string>): void {
    const complete = this.#cycles.has(nodeId) && [...this.#cycles.values()].every((cycle) => cycle.answered && cycle.bytes < this.#maxBytes / 2);
    const seen = complete ? [...this.#cycles.values()].map((cycle) => cycle.seen) : [];
    this.#cycles.set(nodeId, { answered: false, seen: new Set(), bytes: 0 });
    if (complete) for (const topic of topics) if (!seen.some((topicsSeen) => topicsSeen.has(topic))) this.#quiet(topic);
  }

  answered(): void {
    for (const cycle of this.#cycles.values()) cycle.answered = true;
  }

  /** Which broker's fetch brought it is not told, so it counts for all. */
  delivered(topic: string, offsets: number): void {
    for (const cycle of this.#cycles.values()) {
      cycle.seen.add(topic);
      cycle.bytes += offsets * BYTES_PER_OFFSET;
    }
  }

  /** What was seen says nothing any more: positions have changed. */
  reset(): void {
    this.#cycles.clear();
  }
}
