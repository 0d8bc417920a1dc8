import type { KeptOrder } from '@nva/fold';
import type { Clock } from '@nva/ports';
import type { FairQueue } from './fair-queue.ts';

/**
 * A read in steps, each far shorter than a millisecond. Between two steps other callers may run, and the data that is read may
 * change.
 */
export type Steps<T> = Generator<undefined, T, void>;

/** How long a read runs before the next caller's turn. */
const TURN_MS = 1;
/** Number of elements that are walked in one step, or added to an order that is being built. */
const ELEMENTS_PER_STEP = 64;

/** A read that takes one step. */
export function* oneStep<T>(read: () => T): Steps<T> {
  yield* [];
  return read();
}

/** Runs a read in turns with the reads of other callers. Rejects with a Refusal if too many wait, and with what the read throws. */
export async function inTurns<T>(reads: FairQueue, clock: Clock, caller: string, steps: Steps<T>): Promise<T> {
  const turn = (): IteratorResult<undefined, T> => {
    const endMs = clock.monotonicMs() + TURN_MS;
    let step = steps.next();
    while (!step.done && clock.monotonicMs() < endMs) step = steps.next();
    return step;
  };
  for (;;) {
    const { done, value } = await reads.run(caller, 1, turn);
    if (done) return value;
  }
}

/**
 * Elements in order from a place on, with `undefined` where a step ends. An element that was removed meanwhile may still be
 * returned.
 */
export function* walk<T>(
  order: KeptOrder<T>,
  isBefore: (element: T) => boolean,
  perStep = ELEMENTS_PER_STEP,
): Generator<T | undefined, void> {
  while (!order.prepare(ELEMENTS_PER_STEP)) yield undefined;
  for (let place = isBefore; ;) {
    const taken = order.take(place, perStep);
    yield* taken;
    const last = taken.at(-1);
    if (last === undefined || taken.length < perStep) return;
    place = (element) => order.compare(element, last) <= 0;
    yield undefined;
  }
}

/** All elements, in steps. */
export function* stepped<T>(elements: Iterable<T>): Generator<T | undefined, void> {
  let met = 0;
  for (const element of elements) {
    yield element;
    if (++met % ELEMENTS_PER_STEP === 0) yield undefined;
  }
}
