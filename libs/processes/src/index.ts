export { freePort } from './free-port.ts';
export { tethered } from './tethered.ts';
export { until, WaitedTooLong } from './until.ts';
