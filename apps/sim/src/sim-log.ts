import { createEventCodec, type NvaEvent } from '@nva/codec';
import { MAX_EVENTS_PER_APPEND, NO_STREAM, type AppendResult, type Position, type RecordedEvent, type StreamAppend } from '@nva/ports';
import type { World } from './world.ts';

/**
 * `embedded`: one process has the log to itself. Positions have no gaps. Events that are appended together become durable
 * together. When the process dies, events that were not durable are lost, the newest first. `shared`: a separate server.
 * Positions have gaps, each append of one call succeeds or fails alone, and every accepted event stays.
 */
export type LogKind = 'embedded' | 'shared';

const MAX_STEP = 1_000;
const codec = createEventCodec();

/** The log itself, apart from its writers and readers. */
export class SimLog {
  readonly kind: LogKind;
  readonly #world: World;
  #logId: string;
  #events: RecordedEvent[] = [];
  #streams = new Map<string, RecordedEvent[]>();
  /** Number of durable events, counted from the first. */
  #durable = 0;
  readonly #readers = new Set<() => void>();
  readonly #observers: ((recorded: RecordedEvent) => void)[] = [];
  readonly #appendObservers: (() => void)[] = [];

  constructor(world: World, kind: LogKind, logId: string) {
    this.#world = world;
    this.kind = kind;
    this.#logId = logId;
  }

  get logId(): string {
    return this.#logId;
  }

  /** The readable events: all that are durable. */
  get events(): readonly RecordedEvent[] {
    return this.#durable === this.#events.length ? this.#events : this.#events.slice(0, this.#durable);
  }

  get size(): number {
    return this.#durable;
  }

  at(index: number): RecordedEvent {
    return this.#events[index]!;
  }

  get head(): Position {
    return this.#durable === 0 ? 0 : this.#events[this.#durable - 1]!.position;
  }

  /** Calls with every event as it becomes durable. */
  onDurable(observer: (recorded: RecordedEvent) => void): void {
    this.#observers.push(observer);
  }

  /** Calls after every append. */
  onAppended(observer: () => void): void {
    this.#appendObservers.push(observer);
  }

  /** Calls whenever there is something new to read; the returned function ends that. */
  onNews(reader: () => void): () => void {
    this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }

  /** Decides one append on all events, durable or not. */
  append({ stream, expectedRevision, events }: StreamAppend): AppendResult {
    if (events.length === 0 || events.length > MAX_EVENTS_PER_APPEND)
      throw new RangeError(`an append holds 1 to ${MAX_EVENTS_PER_APPEND} events, got ${events.length}`);
    if (!Number.isInteger(expectedRevision) || expectedRevision < NO_STREAM || stream === '')
      throw new RangeError(`not an append: «${stream}» at ${expectedRevision}`);
    const kept = this.#streams.get(stream) ?? [];
    const actualRevision = kept.length - 1;
    const revision = expectedRevision + events.length;
    if (actualRevision !== expectedRevision) {
      const there = kept.slice(expectedRevision + 1, revision + 1);
      const repeated = there.length === events.length && there.every(({ id }, index) => id === events[index]!.id);
      return repeated
        ? { outcome: 'appended', revision, position: there.at(-1)!.position, repeated }
        : { outcome: 'wrong-expected-revision', expectedRevision, actualRevision };
    }
    for (const { id, event } of events) this.#add(stream, kept, id, event);
    this.#streams.set(stream, kept);
    if (this.kind === 'shared') this.sync();
    return { outcome: 'appended', revision, position: this.#events.at(-1)!.position, repeated: false };
  }

  stream(name: string): readonly RecordedEvent[] {
    return this.#streams.get(name) ?? [];
  }

  /** Makes all appended events durable. */
  sync(): void {
    const from = this.#durable;
    this.#durable = this.#events.length;
    if (from === this.#durable) return;
    for (let i = from; i < this.#durable; i++) for (const observer of this.#observers) observer(this.#events[i]!);
    for (const observer of this.#appendObservers) observer();
    for (const reader of this.#readers) reader();
  }

  /** The machine goes down: events that are not durable are lost. Returns their number. */
  loseUnsynced(): number {
    const lost = this.#events.length - this.#durable;
    if (lost > 0) this.cutTo(this.#durable);
    return lost;
  }

  /** Restores the log to its first `events`, as from a backup. */
  cutTo(events: number): void {
    this.#events = this.#events.slice(0, events);
    this.#durable = events;
    this.#streams = new Map();
    for (const recorded of this.#events) this.#streams.set(recorded.stream, [...(this.#streams.get(recorded.stream) ?? []), recorded]);
  }

  /** The log continues under another UUID, starting with a `LogRenewed`. */
  renew(logId: string): void {
    this.#logId = logId;
  }

  #add(stream: string, kept: RecordedEvent[], id: string, event: NvaEvent): void {
    const position = (this.#events.at(-1)?.position ?? 0) + (this.kind === 'embedded' ? 1 : 1 + this.#world.random.below(MAX_STEP));
    // Encoded and decoded, so that it shares no object with its writer.
    const recorded = { position, stream, revision: kept.length, id, event: codec.decode(codec.encode(event)) };
    kept.push(recorded);
    this.#events.push(recorded);
  }
}
