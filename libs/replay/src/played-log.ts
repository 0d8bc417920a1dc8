import {
  StoreUnavailable,
  type Checkpoint,
  type EventStore,
  type LogHead,
  type Position,
  type RecordedEvent,
  type SubscriptionMessage,
} from '@nva/ports';

/**
 * A log whose events are played: whoever subscribes gets them at the pace at which they come. It can be followed once, from its start, and
 * nothing else: a fold and a distributor run on it as on any log.
 */
export class PlayedLog implements EventStore {
  readonly logId: string;
  readonly keepsOrder = true;
  readonly #batches: AsyncIterable<readonly RecordedEvent[]>;
  #position: Position = 0;
  #over: () => void = () => undefined;
  /** Resolves when the last event was taken. */
  readonly over: Promise<void>;

  constructor(logId: string, batches: AsyncIterable<readonly RecordedEvent[]>) {
    this.logId = logId;
    this.#batches = batches;
    this.over = new Promise((resolve) => (this.#over = resolve));
  }

  async *subscribe({ signal }: { readonly after?: Checkpoint; readonly signal: AbortSignal }): AsyncGenerator<SubscriptionMessage, void> {
    yield { kind: 'caught-up' };
    for await (const events of this.#batches) {
      if (signal.aborted) return;
      this.#position = events.at(-1)!.position;
      yield { kind: 'events', events, checkpoint: String(this.#position) };
    }
    this.#over();
    yield { kind: 'caught-up' };
    if (signal.aborted) return;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  checkpointAt(position: Position): Checkpoint {
    return String(position);
  }

  async head(): Promise<LogHead> {
    return { position: this.#position, checkpoint: String(this.#position) };
  }

  async close(): Promise<void> {}

  readonly append = (): Promise<never> => Promise.reject(onlyFollowed());
  readonly readAt = (): Promise<never> => Promise.reject(onlyFollowed());
  /** Nothing: when it begins there are no streams, and it is followed from then on. */
  async *readStream(): AsyncGenerator<RecordedEvent, void> {}
  // oxlint-disable-next-line require-yield -- It gives nothing, and says why.
  async *readAll(): AsyncGenerator<never, void> {
    throw onlyFollowed();
  }
  // oxlint-disable-next-line require-yield -- As before.
  async *readAllBackwards(): AsyncGenerator<never, void> {
    throw onlyFollowed();
  }
}

const onlyFollowed = (): StoreUnavailable => new StoreUnavailable('a log that is played can be followed only');
