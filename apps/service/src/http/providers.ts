/** Injection tokens; everything that is injected names one, so that no type metadata is needed. */
export const CORE = Symbol('core');
export const METRICS = Symbol('metrics');
export const REFUSED = Symbol('refused attempts');
export const OPEN_REQUESTS = Symbol('open requests');
/** Only where the role is. */
export const REGISTRATION = Symbol('registration');
export const DISPATCHER = Symbol('dispatcher');
export const DISTRIBUTION = Symbol('distribution');
