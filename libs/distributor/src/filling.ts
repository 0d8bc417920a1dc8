import { recordsOf, type Network, type RecordChange } from '@nva/fold';
import {
  feedKey,
  vnidOf,
  type FeedFilling,
  type FeedName,
  type FeedRecord,
  type FeedWriter,
  type Position,
  type RecordedEvent,
} from '@nva/ports';
import { feedValue, recordsOfChange, type Owns } from './records.ts';

/** Records per step. */
const STEP_RECORDS = 256;

export interface FillingOptions {
  readonly log: () => string;
  readonly writer: Pick<FeedWriter, 'address'>;
  readonly owns: Owns;
  readonly stepRecords?: number;
}

/**
 * Hands over the present contents of feeds in steps, between which the fold goes on. Changes that the fold makes meanwhile are
 * handed over with the next step. So if a record changes after the iteration passed it, the change follows; if it changes before,
 * the iteration finds the new record.
 */
export class Fillings {
  readonly #network: Network;
  readonly #options: FillingOptions;
  readonly #open = new Set<Filling>();

  constructor(network: Network, options: FillingOptions) {
    this.#network = network;
    this.#options = options;
  }

  /** Fillings that have not ended. */
  get size(): number {
    return this.#open.size;
  }

  begin(feed: FeedName): FeedFilling {
    const filling = new Filling(feed, this.#network, this.#options, () => this.#open.delete(filling));
    this.#open.add(filling);
    return filling;
  }

  /** To be called after every folded event. */
  folded(recorded: RecordedEvent, changes: readonly RecordChange[]): void {
    if (this.#open.size === 0) return;
    const { log, writer, owns } = this.#options;
    const batches = recordsOfChange(recorded, changes, log(), writer, owns);
    for (const filling of this.#open) for (const { feed, records } of batches) if (feedKey(feed) === filling.key) filling.changed(records);
  }
}

class Filling implements FeedFilling {
  readonly key: string;
  readonly #network: Network;
  readonly #walk: Iterator<FeedRecord>;
  readonly #stepRecords: number;
  readonly #ended: () => void;
  #changes: FeedRecord[] = [];
  #walked = false;

  constructor(feed: FeedName, network: Network, options: FillingOptions, ended: () => void) {
    this.key = feedKey(feed);
    this.#network = network;
    this.#walk = walk(feed, network, options);
    this.#stepRecords = options.stepRecords ?? STEP_RECORDS;
    this.#ended = ended;
  }

  get position(): Position {
    return this.#network.position;
  }

  get walking(): boolean {
    return !this.#walked;
  }

  changed(records: readonly FeedRecord[]): void {
    this.#changes.push(...records);
  }

  next(): readonly FeedRecord[] | null {
    const records = this.#changes;
    this.#changes = [];
    if (!this.#walked) {
      for (let taken = 0; taken < this.#stepRecords && !this.#walked; taken++) {
        const { value, done } = this.#walk.next();
        if (done) this.#walked = true;
        else records.push(value);
      }
    }
    if (records.length > 0) return records;
    this.close();
    return null;
  }

  close(): void {
    this.#walked = true;
    this.#ended();
  }
}

function* walk(feed: FeedName, network: Network, { log, writer, owns }: FillingOptions): Generator<FeedRecord, undefined> {
  for (const { key, value, position } of recordsOf(network, feed)) {
    if (owns(vnidOf(feed, key))) yield { key, value: feedValue(value, writer), position, log: log(), changeEnd: false };
  }
}
