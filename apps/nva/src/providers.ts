/** Injection tokens; everything that is injected names one, so that no type metadata is needed. */
export const CORE = Symbol('core');
export const METRICS = Symbol('metrics');
