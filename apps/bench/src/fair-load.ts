/** The network of the load callers in the fairness suite. */
export const LOAD_WORKLOAD = { vns: 1_000, nves: 100 };
/** Number of tenant systems of one caller. */
export const IDS_PER_CALLER = 500_000;
