import {
  FeedsFailed,
  vnidOf,
  type Ensured,
  type FeedBatch,
  type FeedCheckpoint,
  type FeedFailure,
  type FeedItem,
  type FeedName,
  type FeedRecord,
  type FeedWriter,
  type PlacedCheckpoint,
  type Undecodable,
} from '@nva/ports';
import type { Aside } from './aside.ts';
import type { OwnEnd } from './lost-end.ts';
import type { Rights } from './rights.ts';

/**
 * A feed writer that ensures two things for every publication, live or in a reconciliation: an NVE can read a VN before it is
 * told of the VN, and no feed waits for another one with a fault. It leaves out records about VNs that are withheld or set aside;
 * they are reconciled when they are released or their retry is due.
 */
export class GuardedFeedWriter implements FeedWriter {
  readonly #writer: FeedWriter;
  readonly #rights: Rights | null;
  readonly #aside: Aside;
  readonly #ownEnd: OwnEnd;
  readonly fillWhenRead?: NonNullable<FeedWriter['fillWhenRead']>;
  readonly look?: NonNullable<FeedWriter['look']>;

  /** `rights` is null if nothing checks rights. */
  constructor(writer: FeedWriter, rights: Rights | null, aside: Aside, ownEnd: OwnEnd) {
    this.#ownEnd = ownEnd;
    this.#writer = writer;
    this.#rights = rights;
    this.#aside = aside;
    if (writer.fillWhenRead) this.fillWhenRead = writer.fillWhenRead;
    if (writer.look) this.look = () => this.#look(writer.look!.bind(writer));
  }

  /** An NVE may read its own feed as soon as the feed exists. Feeds that fail are set aside. */
  async ensure(feeds: readonly FeedName[]): Promise<Ensured> {
    const open = feeds.filter((feed) => !this.#aside.isClosed(feed));
    const ensured = await this.#writer.ensure(open);
    this.#aside.put(ensured.failures);
    const lacking = this.#rights?.lackingFor(open.map((feed) => ({ feed, records: [] }))) ?? [];
    if (lacking.length > 0) await this.#rights!.grantOrWithhold(lacking);
    return ensured;
  }

  /**
   * Publishes at once if nothing has to be granted, because the order of calls is the order within a feed. Feeds that fail are
   * set aside.
   */
  publish(batches: readonly FeedBatch[]): Promise<void> {
    const lacking = this.#rights?.lackingFor(batches) ?? [];
    if (lacking.length === 0) return this.#publish(batches);
    return this.#rights!.grantOrWithhold(lacking).then(() => this.#publish(batches));
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
    await this.#rights?.close();
    await this.#writer.close();
  }

  async #look(look: NonNullable<FeedWriter['look']>): Promise<readonly FeedFailure[]> {
    const lost = await look();
    this.#aside.put(lost);
    return lost;
  }

  async #publish(batches: readonly FeedBatch[]): Promise<void> {
    const open = this.#open(batches);
    if (open.length === 0) return;
    this.#ownEnd.publishes(open);
    try {
      await this.#writer.publish(open);
    } catch (error) {
      if (!(error instanceof FeedsFailed)) throw error;
      this.#aside.put(error.failures);
    }
  }

  #open(batches: readonly FeedBatch[]): readonly FeedBatch[] {
    const withheld = this.#rights?.withheld;
    if (this.#aside.size === 0 && !withheld?.size) return batches;
    const aside = this.#aside.closedVns();
    const closed = withheld?.size ? new Set([...withheld, ...aside]) : aside;
    return batches
      .filter(({ feed }) => !this.#aside.isClosed(feed))
      .map((batch) => {
        const left = without(batch, closed);
        if (batch.feed.kind === 'nve' && left.records.length < batch.records.length) this.#leftOut(batch.feed.nveId, batch.records, aside);
        return left;
      })
      .filter(({ records }) => records.length > 0);
  }

  #leftOut(nveId: string, records: readonly FeedRecord[], aside: ReadonlySet<number>): void {
    for (const { key } of records) {
      const vnid = vnidOf({ kind: 'nve', nveId }, key);
      if (aside.has(vnid)) this.#aside.leftOut(vnid, nveId);
    }
  }
}

/** The batch without records about those VNs. What is left of a change is a change with its own end. */
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
