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
  stage: 'asked' | 'answered' | 'taken';
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
 *
 * What becomes of the cycle of a broker, and which topics are told to be quiet (`test/fetch-cycles-table.unit.spec.ts` follows both
 * tables row by row):
 *
 * | the cycle is    | what happens                      | then it is      | quiet are                             |
 * | --------------- | --------------------------------- | --------------- | ------------------------------------- |
 * | not there       | a fetch begins                    | asked           | none                                  |
 * | not there       | the broker answers                | not there       | none                                  |
 * | asked           | the broker answers                | answered        | none                                  |
 * | asked           | kafkajs goes on                   | asked           | none: nothing was answered            |
 * | asked           | the next fetch begins             | asked           | none: the fetch failed inside kafkajs |
 * | answered        | kafkajs goes on                   | taken           | none                                  |
 * | answered        | the next fetch begins             | asked           | none: the answer was thrown away      |
 * | taken           | records of one topic are handled  | taken           | none                                  |
 * | taken           | records that fill half of it come | taken, but full | none                                  |
 * | taken           | the next fetch begins             | asked           | the topics that it brought nothing of |
 * | taken, but full | the next fetch begins             | asked           | none: a topic may have had no room    |
 * | answered        | positions change                  | not there       | none                                  |
 * | taken           | positions change                  | not there       | none                                  |
 *
 * What is known of the brokers, and whose topics a cycle that was taken tells of:
 *
 * | known is                   | what happens                         | then known is              | its cycle tells of       |
 * | -------------------------- | ------------------------------------ | -------------------------- | ------------------------ |
 * | one broker                 | nothing                              | one broker                 | every topic              |
 * | one broker                 | positions change                     | one broker                 | every topic              |
 * | one broker                 | another broker is fetched from       | several, and not who leads | no topic                 |
 * | several, and not who leads | the layout is learned                | several, and who leads     | the topics that it leads |
 * | several, and who leads     | positions change                     | several, and not who leads | no topic                 |
 * | several, and who leads     | 100 fetches bring nothing of a topic | several, and who leads     | the topics that it leads |
 * | several, and who leads     | 101 fetches bring nothing of a topic | several, and not who leads | no topic                 |
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
    this.#cycles.set(nodeId, { stage: 'asked', seen: new Set(), bytes: 0 });
    if (this.needsLayout) return;
    const telling = cycle?.stage === 'taken' && cycle.bytes < this.#maxBytes / 2;
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
    if (cycle?.stage === 'asked') cycle.stage = 'answered';
  }

  /** kafkajs goes on with what the answer brought, be it nothing: no error stood in it for any topic. Without an answer it failed. */
  taken(nodeId: number): void {
    const cycle = this.#cycles.get(nodeId);
    if (cycle?.stage === 'answered') cycle.stage = 'taken';
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
