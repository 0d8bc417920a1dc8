export { freePort } from './free-port.ts';
export { endOf, NodeProcess, type Exit, type NodeProcessOptions } from './node-process.ts';
export { tethered } from './tethered.ts';
export { until, WaitedTooLong } from './until.ts';
