/** What an offset is taken to cost in a fetch: no less than a control batch, about what a usual record does. */
const BYTES_PER_OFFSET = 300;

/** Fetches begun, from any broker, in which nothing was learned of a topic, until its leader is asked for anew. */
const MAX_FETCHES_UNHEARD = 100;

/** Which broker is asked for a topic, and which one an answer came from. */
export interface ClusterLayout {
  /** Node id by topic. */
  readonly leaders: ReadonlyMap<string, number>;
  /** Node id by `host:port`. */
  readonly nodes: ReadonlyMap<string, number>;
}

interface Cycle {
  answered: boolean;
  /** kafkajs took the answer: no error stood in it for any topic. */
  taken: boolean;
  /** Topics that the cycle's fetch brought something of. */
  readonly seen: Set<string>;
  bytes: number;
}

/**
 * Finds out which topics have nothing behind the position they are read at: kafkajs tells nothing of an empty topic, nor of one
 * whose last offsets compaction took, so their end is never reached by counting.
 *
 * A cycle is one fetch from one broker, with the handling of what it brought. A topic is quiet when a cycle of its leader brought
 * nothing of it, was really answered (a fetch that failed inside kafkajs looks empty too), was taken (an answer in which one topic
 * has an error, because it was deleted, is thrown away with what it brings of the others), and was not so full that the topic may
 * have had no room in it. With one broker everything is its; with several, nothing is said before the layout is known, and the
 * layout is asked for again when a topic is not heard of any more: its leader may be another by now.
 */
export class FetchCycles {
  readonly #maxBytes: number;
  readonly #quiet: (topic: string) => void;
  readonly #cycles = new Map<number, Cycle>();
  readonly #nodes = new Set<number>();
  /** Fetches since the topic was heard of. */
  readonly #unheard = new Map<string, number>();
  #layout: ClusterLayout | undefined;

  constructor(maxBytesPerFetch: number, quiet: (topic: string) => void) {
    this.#maxBytes = maxBytesPerFetch;
    this.#quiet = quiet;
  }

  get needsLayout(): boolean {
    return this.#nodes.size > 1 && this.#layout === undefined;
  }

  learn(layout: ClusterLayout): void {
    this.#layout = layout;
    this.#cycles.clear();
    this.#unheard.clear();
  }

  /** A fetch from the broker begins, and so the handling of its last one is over. */
  begin(nodeId: number, topics: Iterable<string>): void {
    const cycle = this.#cycles.get(nodeId);
    this.#nodes.add(nodeId);
    this.#cycles.set(nodeId, { answered: false, taken: false, seen: new Set(), bytes: 0 });
    if (this.needsLayout) return;
    const telling = cycle?.answered === true && cycle.taken && cycle.bytes < this.#maxBytes / 2;
    let lost = false;
    for (const topic of topics) {
      const unheard = (this.#unheard.get(topic) ?? 0) + 1;
      this.#unheard.set(topic, unheard);
      if (telling && this.leads(nodeId, topic) && !cycle.seen.has(topic)) {
        this.#unheard.delete(topic);
        this.#quiet(topic);
      } else lost ||= unheard > MAX_FETCHES_UNHEARD;
    }
    if (lost && this.#nodes.size > 1) this.reset();
  }

  /** A broker, `host:port`, answered a fetch. */
  answered(broker: string): void {
    const nodeId = this.#nodes.size > 1 ? this.#layout?.nodes.get(broker) : [...this.#nodes][0];
    const cycle = nodeId === undefined ? undefined : this.#cycles.get(nodeId);
    if (cycle) cycle.answered = true;
  }

  /** kafkajs hands over what the answer brought, be it nothing. */
  taken(nodeId: number): void {
    const cycle = this.#cycles.get(nodeId);
    if (cycle) cycle.taken = true;
  }

  delivered(topic: string, offsets: number): void {
    this.#unheard.delete(topic);
    for (const [nodeId, cycle] of this.#cycles) {
      if (!this.leads(nodeId, topic)) continue;
      cycle.seen.add(topic);
      cycle.bytes += offsets * BYTES_PER_OFFSET;
    }
  }

  /** What was seen says nothing any more: positions, or leaders, have changed. */
  reset(): void {
    this.#cycles.clear();
    this.#unheard.clear();
    this.#layout = undefined;
  }

  /** Whether the topic is asked for at the broker, as far as is known: while the layout is not, at every one. */
  leads(nodeId: number, topic: string): boolean {
    return this.#layout === undefined || this.#layout.leaders.get(topic) === nodeId;
  }
}
