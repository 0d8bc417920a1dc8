import type { KeptOrder } from '@nva/fold';
import type { Clock } from '@nva/ports';
import type { FairQueue } from './fair-queue.ts';

/** A read in steps, each far below a millisecond: between two of them others may come first, and what is read may change. */
export type Steps<T> = Generator<undefined, T, void>;

/** How long a read goes on before the next caller's turn. */
const TURN_MS = 1;
/** Elements walked, or taken into an order that is being made, in one step. */
const ELEMENTS_PER_STEP = 64;

/** Reads in turns with those of other callers. Rejects with a Refusal if too many wait, and with what the read throws. */
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

/** Elements in order from a place on, and `undefined` where a step ends. One that went since it was taken may still be met. */
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

/** Everything, in steps. */
export function* stepped<T>(elements: Iterable<T>): Generator<T | undefined, void> {
  let met = 0;
  for (const element of elements) {
    yield element;
    if (++met % ELEMENTS_PER_STEP === 0) yield undefined;
  }
}
