/** Injection tokens. Every injected part has one, so that no type metadata is needed. */
export const READS = Symbol('reads');
export const STATE_QUERIES = Symbol('queries about the state');
export const STATE = Symbol('state of the process');
export const METRICS = Symbol('metrics');
export const REFUSED = Symbol('refused attempts');
export const OPEN_REQUESTS = Symbol('open requests');
export const GROUPS = Symbol('groups of registrars');
export const APPLIED_HERE = Symbol('what NVEs have told this process that they applied');
export const APPLIED_ANYWHERE = Symbol('what NVEs have told any process that they applied');
/** null in a process that keeps no history. */
export const AUDIT = Symbol('audit');
export const AUDIT_SEARCH = Symbol('search of the log');
/** Provided only in processes with the role. */
export const DISPATCHER = Symbol('dispatcher');
export const DISTRIBUTOR_ROLE = Symbol('distributor');
export const LOSSES = Symbol('losses of the log');
