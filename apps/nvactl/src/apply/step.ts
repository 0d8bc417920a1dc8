/** A line of POST /v1/commands. */
export interface Line {
  readonly command: string;
  readonly [field: string]: unknown;
}

export type Sign = '+' | '~' | '-';

/** One command, and what it is for. */
export interface Step {
  readonly sign: Sign;
  readonly action: string;
  /** `vn/100`, `nve/leaf-1`, `ts/vm1`. */
  readonly object: string;
  /** What differs, in words. */
  readonly what: string;
  readonly line: Line;
}

/** What differs, in words; nothing if it does not. */
export const changed = (name: string, before: string, after: string): readonly string[] =>
  before === after ? [] : [`${name} ${before} → ${after}`];
