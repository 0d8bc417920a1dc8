import { systemTimers as ofThisSystem, type Timers as AllTimers } from '@nva/ports';

/** Waiting, as an injected dependency: a test controls how time passes. */
export type Timers = Pick<AllTimers, 'after'>;

export const systemTimers: Timers = ofThisSystem;
