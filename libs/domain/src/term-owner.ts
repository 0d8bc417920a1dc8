/**
 * On whose authority a lapse is decided. Where registrars share the log, each group's terms have one owner at a time, the last that took
 * them over in the log; what an earlier one still appends is void (design/registrars, «A group's terms have one owner»).
 */
export interface TermOwner {
  /** Absent where one process owns every term. */
  readonly group?: string;
  /** Position of the event that made it the owner. */
  readonly owner?: number;
}
