import { Refusal } from '@nva/identifiers';

/** Work that waits for its turn. Exactly one of `start` and `refuse` is called. */
export interface Waiting {
  /** The cost that counts against its caller's share: commands, or slices of a read. */
  readonly cost: number;
  readonly start: () => void;
  readonly refuse: (refusal: Refusal) => void;
}

/** How much may wait, in units of cost. */
export interface LaneBounds {
  readonly perCaller: number;
  readonly inAll: number;
}

interface Entry extends Waiting {
  /** Virtual time at which the entry begins and ends if all waiting callers are served at once and equally. */
  readonly begins: number;
  readonly ends: number;
  /** Number of entries that came before it. */
  readonly arrival: number;
}

/** A caller that waits, or that has recently had more than its share. */
interface Flow {
  readonly caller: string;
  readonly entries: Entry[];
  cost: number;
  /** Virtual time up to which the caller has had its share. */
  servedTo: number;
}

/** Number of callers without entries that may be remembered before the lane looks for those to forget. */
const MAX_REMEMBERED = 1_024;

/**
 * The waiting work of all callers, and whose turn is next: fair queueing in virtual time. Virtual time is the cost that a caller
 * would have had by now if all waiting callers were served at once and equally. Next is the entry that would then end first. So
 * each caller gets its share however much the others bring, and a caller that asks for little is served before callers that ask
 * for much. The work of one caller is served in its order.
 *
 * Why not round-robin (deficit round robin): a single command of a caller would wait for a chunk of every other caller.
 */
export class FairLane {
  readonly #bounds: LaneBounds;
  readonly #flows = new Map<string, Flow>();
  /** The flows that have entries: a binary heap, ordered by the end of their first entry. */
  readonly #heap: Flow[] = [];
  #now = 0;
  #cost = 0;
  #arrivals = 0;

  constructor(bounds: LaneBounds) {
    this.#bounds = bounds;
  }

  /** Waiting work, in units of cost. */
  get waiting(): number {
    return this.#cost;
  }

  /** Number of callers with waiting work. */
  get callers(): number {
    return this.#heap.length;
  }

  /** Cost of the next entry; 0 if nothing waits. */
  get nextCost(): number {
    return this.#heap[0]?.entries[0]!.cost ?? 0;
  }

  /**
   * Adds the work, or refuses it. If the lane is full, the last entry of the caller with the most waiting work is refused
   * instead.
   */
  push(caller: string, waiting: Waiting): void {
    const flow = this.#flow(caller);
    if (flow.cost + waiting.cost > this.#bounds.perCaller) return waiting.refuse(ownFull(this.#bounds));
    while (this.#cost + waiting.cost > this.#bounds.inAll) {
      const fullest = this.#fullest(flow);
      if (fullest === flow) return waiting.refuse(allFull(this.#bounds));
      this.#dropLatest(fullest);
    }
    const begins = Math.max(this.#now, flow.servedTo);
    flow.servedTo = begins + waiting.cost;
    flow.entries.push({ ...waiting, begins, ends: flow.servedTo, arrival: this.#arrivals++ });
    flow.cost += waiting.cost;
    this.#cost += waiting.cost;
    if (flow.entries.length === 1) this.#rise(this.#heap.push(flow) - 1);
  }

  /** Removes and returns the next entry. */
  shift(): Waiting | undefined {
    const flow = this.#heap[0];
    if (!flow) return undefined;
    const entry = flow.entries.shift()!;
    this.#now = Math.max(this.#now, entry.begins);
    flow.cost -= entry.cost;
    this.#cost -= entry.cost;
    if (flow.entries.length === 0) this.#remove(0);
    else this.#sink(0);
    return entry;
  }

  #flow(caller: string): Flow {
    let flow = this.#flows.get(caller);
    if (!flow) {
      if (this.#flows.size > 2 * this.#heap.length + MAX_REMEMBERED) this.#forget();
      flow = { caller, entries: [], cost: 0, servedTo: 0 };
      this.#flows.set(caller, flow);
    }
    return flow;
  }

  /** Forgets callers that have had no more than their share: for the lane they are the same as new callers. */
  #forget(): void {
    for (const [caller, { entries, servedTo }] of this.#flows)
      if (entries.length === 0 && servedTo <= this.#now) this.#flows.delete(caller);
  }

  #fullest(newcomer: Flow): Flow {
    return this.#heap.reduce((fullest, flow) => (flow.cost > fullest.cost ? flow : fullest), newcomer);
  }

  #dropLatest(flow: Flow): void {
    const entry = flow.entries.pop()!;
    flow.servedTo = entry.begins;
    flow.cost -= entry.cost;
    this.#cost -= entry.cost;
    if (flow.entries.length === 0) this.#remove(this.#heap.indexOf(flow));
    entry.refuse(allFull(this.#bounds));
  }

  #remove(at: number): void {
    const last = this.#heap.pop()!;
    if (at === this.#heap.length) return;
    this.#heap[at] = last;
    this.#rise(at);
    this.#sink(at);
  }

  #rise(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(from: number): void {
    for (let at = from; ;) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < this.#heap.length && this.#before(child, first)) first = child;
      if (first === at) return;
      this.#swap(at, first);
      at = first;
    }
  }

  #before(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a]!.entries[0]!, this.#heap[b]!.entries[0]!];
    return first.ends === second.ends ? first.arrival < second.arrival : first.ends < second.ends;
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b]!, this.#heap[a]!];
  }
}

const ownFull = ({ perCaller }: LaneBounds): Refusal =>
  new Refusal('too-many-waiting', `more than ${perCaller} requests of this caller wait for their turn`, { expected: perCaller });
const allFull = ({ inAll }: LaneBounds): Refusal =>
  new Refusal('overloaded', `more than ${inAll} requests of all callers wait for their turn`, { expected: inAll });
