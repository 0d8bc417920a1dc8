import { createEventCodec } from '@nva/codec';
import { GappedEventStore } from '@nva/event-log/testing';
import { feedsOf, Network, recordsOf, type TableRecord } from '@nva/fold';
import { History } from '@nva/history';
import { feedKey, silentLogger, type FeedName, type Position, type RecordedEvent } from '@nva/ports';

const SMALL = { blockEntries: 3, keyframeAfter: 4, runEvents: 5 };

type Look = (position: Position, network: Network) => void;

export type Table = ReadonlyMap<string, TableRecord>;

/** A log in a store, its history, and what a replay from the start finds at every position. */
export class Told {
  readonly store = new GappedEventStore({ codec: createEventCodec(), seed: 11 });
  readonly events: RecordedEvent[] = [];
  readonly tables = new Map<Position, ReadonlyMap<string, Table>>();
  readonly changes: { readonly position: Position; readonly feed: string; readonly key: string }[] = [];
  readonly feeds = new Map<string, FeedName>();
  readonly history: History;
  readonly #network = new Network();

  private constructor(path: string) {
    this.history = History.open({ path, logId: this.store.logId, logger: silentLogger, limits: SMALL });
  }

  /** `look` is called after each event, while the network stands there. */
  static async of(log: readonly RecordedEvent[], path: string, look: Look = () => undefined): Promise<Told> {
    const told = new Told(path);
    for (const { stream, revision, id, event } of log)
      await told.store.append([{ stream, expectedRevision: revision - 1, events: [{ id, event }] }]);
    for await (const { events } of told.store.readAll()) for (const event of events) told.#take(event, look);
    return told;
  }

  close(): void {
    this.history.close(this.#network);
  }

  table(feed: string, position: Position): Table {
    return this.tables.get(position)!.get(feed) ?? new Map();
  }

  #take(event: RecordedEvent, look: Look): void {
    this.events.push(event);
    const changes = this.#network.apply(event);
    this.history.take(event, changes, this.#network);
    for (const { feed, key } of changes) this.changes.push({ position: event.position, feed: feedKey(feed), key });
    const tables = new Map<string, Table>();
    for (const feed of feedsOf(this.#network)) {
      this.feeds.set(feedKey(feed), feed);
      tables.set(feedKey(feed), new Map([...recordsOf(this.#network, feed)].map((record) => [record.key, record])));
    }
    this.tables.set(event.position, tables);
    look(event.position, this.#network);
  }
}
