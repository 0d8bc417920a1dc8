import { systemTimers as ofThisSystem, type Timers as AllTimers } from '@nva/ports';

/** Waiting, as something to inject: a test lets time pass by itself. */
export type Timers = Pick<AllTimers, 'after'>;

export const systemTimers: Timers = ofThisSystem;
