import { NO_STREAM } from '@nva/ports';

const INITIAL_STREAMS = 1_024;

/**
 * The head of every stream: revision and position of its last event, those still on their way to the disk included.
 * Kept in memory because every append is decided on it. Two numbers in typed arrays, about 100 bytes a stream with its name,
 * where an object each would take 60 more.
 */
export class StreamHeads {
  readonly #slots = new Map<string, number>();
  #revisions = new Int32Array(INITIAL_STREAMS);
  #positions = new Float64Array(INITIAL_STREAMS);

  get streams(): number {
    return this.#slots.size;
  }

  /** Slot of a stream, undefined if it has no event. */
  slotOf(stream: string): number | undefined {
    return this.#slots.get(stream);
  }

  revision(slot: number | undefined): number {
    return slot === undefined ? NO_STREAM : this.#revisions[slot]!;
  }

  /** 0 for a stream without events. */
  position(slot: number | undefined): number {
    return slot === undefined ? 0 : this.#positions[slot]!;
  }

  advance(stream: string, known: number | undefined, revision: number, position: number): void {
    let slot = known;
    if (slot === undefined) {
      slot = this.#slots.size;
      this.#slots.set(stream, slot);
      if (slot === this.#revisions.length) this.#grow();
    }
    this.#revisions[slot] = revision;
    this.#positions[slot] = position;
  }

  #grow(): void {
    const revisions = new Int32Array(this.#revisions.length * 2);
    revisions.set(this.#revisions);
    this.#revisions = revisions;
    const positions = new Float64Array(this.#positions.length * 2);
    positions.set(this.#positions);
    this.#positions = positions;
  }
}
