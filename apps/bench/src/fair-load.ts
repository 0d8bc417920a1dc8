/** What the callers of the fairness suite bring. */
export const LOAD_WORKLOAD = { vns: 1_000, nves: 100 };
/** Tenant systems of one caller. */
export const IDS_PER_CALLER = 500_000;
