import { KafkaFeedWriter } from '@nva/kafka';
import { FeedUnavailable, type FeedBatch } from '@nva/ports';

/** Can publish again, in the same order, all that it has published: what a distributor does that goes on from an old checkpoint. */
export class RepeatingWriter extends KafkaFeedWriter {
  readonly #published: (readonly FeedBatch[])[] = [];

  override async publish(batches: readonly FeedBatch[]): Promise<void> {
    this.#published.push(batches);
    await super.publish(batches);
  }

  get calls(): number {
    return this.#published.length;
  }

  async repeat(from = 0, to = this.calls): Promise<void> {
    for (const batches of this.#published.slice(from, to)) await super.publish(batches);
  }
}

/** Writes so many more records of VN tables, and from there on nothing any more: a process that dies within a change. */
export class DyingWriter extends KafkaFeedWriter {
  #left = Number.POSITIVE_INFINITY;
  #dead = false;

  dieAfter(records: number): void {
    this.#left = records;
  }

  get dead(): boolean {
    return this.#dead;
  }

  override async publish(batches: readonly FeedBatch[]): Promise<void> {
    const through: FeedBatch[] = [];
    let cut = this.#dead;
    for (const { feed, records } of cut ? [] : batches) {
      const part = feed.kind === 'vn' ? records.slice(0, this.#left) : records;
      if (feed.kind === 'vn') this.#left -= part.length;
      if (part.length > 0) through.push({ feed, records: part });
      cut ||= part.length < records.length;
    }
    this.#dead = cut;
    if (through.length > 0) await super.publish(through);
    if (cut) throw new FeedUnavailable('the process is dead');
  }
}
