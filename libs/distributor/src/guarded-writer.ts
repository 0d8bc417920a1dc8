import { vnidOf, type FeedBatch, type FeedCheckpoint, type FeedItem, type FeedName, type FeedRecord, type FeedWriter, type PlacedCheckpoint, type Undecodable } from '@nva/ports';
import type { Rights } from './rights.ts';

/**
 * Feeds on which no NVE is told of a VN before it may read it: whatever publishes a membership, live or at reconciliation, goes through here.
 * What is about VNs that are withheld is left out; they are reconciled when they are released.
 */
export class GuardedFeedWriter implements FeedWriter {
  readonly #writer: FeedWriter;
  readonly #rights: Rights;

  constructor(writer: FeedWriter, rights: Rights) {
    this.#writer = writer;
    this.#rights = rights;
  }

  /** An NVE may read its own feed as soon as it is there. */
  async ensure(feeds: readonly FeedName[]): Promise<void> {
    await this.#writer.ensure(feeds);
    const lacking = this.#rights.lackingFor(feeds.map((feed) => ({ feed, records: [] })));
    if (lacking.length > 0) await this.#rights.grantOrWithhold(lacking);
  }

  /** Hands over at once where nothing has to be granted: the order of calls is the order within a feed. */
  publish(batches: readonly FeedBatch[]): Promise<void> {
    const lacking = this.#rights.lackingFor(batches);
    if (lacking.length === 0) return this.#publish(batches);
    return this.#rights.grantOrWithhold(lacking).then(() => this.#publish(batches));
  }

  open(): Promise<void> {
    return this.#writer.open();
  }

  address(feed: FeedName): ReturnType<FeedWriter['address']> {
    return this.#writer.address(feed);
  }

  list(): Promise<readonly FeedName[]> {
    return this.#writer.list();
  }

  read(feed: FeedName): AsyncIterable<FeedRecord | Undecodable> {
    return this.#writer.read(feed);
  }

  readAll(feeds: readonly FeedName[]): AsyncIterable<FeedItem> {
    return this.#writer.readAll(feeds);
  }

  delete(feed: FeedName): Promise<void> {
    return this.#writer.delete(feed);
  }

  loadCheckpoint(): Promise<FeedCheckpoint | null> {
    return this.#writer.loadCheckpoint();
  }

  checkpoints(): Promise<readonly PlacedCheckpoint[]> {
    return this.#writer.checkpoints();
  }

  saveCheckpoint(checkpoint: FeedCheckpoint): Promise<void> {
    return this.#writer.saveCheckpoint(checkpoint);
  }

  async close(): Promise<void> {
    await this.#rights.close();
    await this.#writer.close();
  }

  async #publish(batches: readonly FeedBatch[]): Promise<void> {
    const { withheld } = this.#rights;
    const open = withheld.size === 0 ? batches : batches.map((batch) => without(batch, withheld)).filter(({ records }) => records.length > 0);
    if (open.length > 0) await this.#writer.publish(open);
  }
}

/** The batch without what is about those VNs; what is left of a change is a change, and ends. */
export function without({ feed, records }: FeedBatch, withheld: ReadonlySet<number>): FeedBatch {
  if (feed.kind === 'vn') return { feed, records: withheld.has(feed.vnid) ? [] : records };
  const left: FeedRecord[] = [];
  let changeFrom = 0;
  for (const record of records) {
    if (!withheld.has(vnidOf(feed, record.key))) left.push(record);
    if (!record.changeEnd) continue;
    if (left.length > changeFrom) left[left.length - 1] = { ...left.at(-1)!, changeEnd: true };
    changeFrom = left.length;
  }
  return { feed, records: left };
}
