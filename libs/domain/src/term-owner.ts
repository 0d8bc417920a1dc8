/**
 * The authority of a lapse. If registrars share the log, the terms of each group have one owner at a time: the last registrar
 * that took them over in the log. A lapse that an earlier owner still appends is void (design/registrars, «A group's terms have
 * one owner»).
 */
export interface TermOwner {
  /** Absent if one process owns all terms. */
  readonly group?: string;
  /** Position of the takeover event. */
  readonly owner?: number;
}
