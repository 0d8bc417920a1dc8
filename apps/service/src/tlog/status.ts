import type { Position } from '@nva/ports';

/** What the process tells of its proof: in metrics. */
export interface ProofStatus {
  /** Of the last checkpoint; 0 before the first. */
  readonly size: number;
  readonly position: Position;
  /** When it was made, in milliseconds since the epoch; null before the first of this start. */
  readonly madeAtMs: number | null;
  /** Whether nothing is signed any more, since the log does not continue what was signed. */
  readonly isForked: boolean;
  /** Times that a fork was found: of this log, or of what another admin signs. */
  readonly forks: number;
  readonly witnesses: readonly WitnessStatus[];
}

export interface WitnessStatus {
  readonly name: string;
  /** Leaves of the last checkpoint that it cosigned; 0 for none. */
  readonly size: number;
  readonly cosignatures: number;
  readonly failures: number;
}
