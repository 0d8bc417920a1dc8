import { ArchiveDamaged, createEventCodec, type Archive, type ArchivedEvent, type EventCodec } from '@nva/codec';
import { FeedDigests, Network, type RecordChange } from '@nva/fold';
import { sleep, type Clock, type Position, type RecordedEvent } from '@nva/ports';
import { Condition, type Wanted } from './condition.ts';
import type { Verification } from './verification.ts';

/** An event that was played: with its bytes, and what it changed. */
export interface Played extends RecordedEvent {
  readonly bytes: Uint8Array;
  readonly changes: readonly RecordChange[];
}

export interface PlayOptions {
  /** The last event that is played is at this position, or before it. */
  readonly to?: Position;
  /** The last event that is played is the first that meets this. */
  readonly until?: Wanted;
  /** Multiples of the pace at which the events were recorded; as fast as it goes, unless given. Pauses are cut to MAX_PAUSE_MS each. */
  readonly speed?: number;
  /** Ends a pause, and with it the replay. */
  readonly signal?: AbortSignal;
  /** Asked before every event; false ends the replay before it. */
  readonly step?: (next: RecordedEvent) => Promise<boolean>;
  /** Held against what is played. */
  readonly verification?: Verification;
  readonly clock: Clock;
}

/** The longest pause between two events of a paced replay: nobody waits for a weekend. */
export const MAX_PAUSE_MS = 60_000;

/** How a replay ended. */
export type Ending = 'end of the archive' | 'position' | 'condition' | 'stopped';

/**
 * Plays the events of an archive: folds them, one after the other, and gives each with what it changed. `network` and `digests` stand at
 * the event that was given last. Throws what the archive throws.
 */
export class Player {
  readonly network = new Network();
  readonly digests = new FeedDigests();
  readonly #archive: Archive;
  readonly #options: PlayOptions;
  readonly #codec: EventCodec;
  ending: Ending = 'end of the archive';

  constructor(archive: Archive, options: PlayOptions) {
    this.#archive = archive;
    this.#options = options;
    this.#codec = createEventCodec();
    for (const schema of archive.header.schemas) this.#codec.learn(schema);
  }

  /** In batches, so that whoever takes them can do so in turns; one by one where there is a pace or a step. */
  async *play(): AsyncGenerator<readonly Played[], void> {
    const { to = Number.POSITIVE_INFINITY, until, speed, step, clock, verification, signal } = this.#options;
    const condition = until && new Condition(until);
    const isSlow = speed !== undefined || step !== undefined;
    let lastMs: number | null = null;
    for await (const archived of this.#archive.events) {
      let batch: Played[] = [];
      for (const one of archived) {
        if (one.position > to) {
          this.ending = 'position';
          if (batch.length > 0) yield batch;
          return;
        }
        const recorded = this.#recorded(one);
        const { recordedAt } = recorded.event.data.audit;
        if (speed !== undefined && lastMs !== null && recordedAt > lastMs)
          await paused(clock, Math.min((recordedAt - lastMs) / speed, MAX_PAUSE_MS), signal);
        if (signal?.aborted) {
          this.ending = 'stopped';
          return;
        }
        lastMs = Math.max(lastMs ?? recordedAt, recordedAt);
        if (step && !(await step(recorded))) {
          this.ending = 'stopped';
          return;
        }
        verification?.before(recorded.position, this.network, this.digests);
        const changes = this.#folded(recorded);
        this.digests.apply(recorded.position, changes);
        batch.push(Object.assign(recorded, { changes }));
        const isMet = condition?.isMetBy(recorded, changes) ?? false;
        if (isMet || isSlow) {
          yield batch;
          batch = [];
        }
        if (isMet) {
          this.ending = 'condition';
          return;
        }
      }
      if (batch.length > 0) yield batch;
    }
    if (this.network.position >= to) this.ending = 'position';
  }

  /** What no registrar has recorded in that order cannot be folded. */
  #folded(recorded: RecordedEvent): readonly RecordChange[] {
    try {
      return this.network.apply(recorded);
    } catch (cause) {
      throw new ArchiveDamaged(
        `the event at position ${recorded.position}, ${recorded.event.type}, does not follow from those before it: ${(cause as Error).message}`,
        { cause },
      );
    }
  }

  #recorded({ position, stream, revision, id, bytes }: ArchivedEvent): RecordedEvent & { readonly bytes: Uint8Array } {
    const event = this.#codec.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return { position, stream, revision, id, event, bytes };
  }
}

/** Whoever aborts a pause need not wait for its end. */
async function paused(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(clock, ms, signal && { signal });
  } catch (cause) {
    if (!signal?.aborted) throw cause;
  }
}

/** The position of the last event that was recorded not after a time; null if all were. Reads the whole archive. */
export async function lastNotAfter({ header, events }: Archive, timeMs: number): Promise<Position | null> {
  const codec = createEventCodec();
  for (const schema of header.schemas) codec.learn(schema);
  let last: Position | null = null;
  for await (const batch of events)
    for (const { position, bytes } of batch)
      if (codec.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).data.audit.recordedAt <= timeMs) last = position;
  return last;
}
