/**
 * The authority of a lapse. If registrars share the log, the deadlines of each group have one owner at a time: the last registrar
 * that took them over in the log. A lapse that an earlier owner still appends is void (design/registrars, «A group's deadlines have
 * one owner»).
 */
export interface DeadlineOwner {
  /** Absent if one process owns all deadlines. */
  readonly group?: string;
  /** Position of the takeover event. */
  readonly owner?: number;
}
