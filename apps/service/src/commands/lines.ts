import type { ParsedCommand, ParsedSweep } from '@nva/commands';
import type { Caller, Outcome } from '@nva/registrar';

/** A command, and its line of NDJSON, or the equivalent line if it came otherwise. */
export interface Line {
  readonly parsed: ParsedCommand;
  readonly json: Readonly<Record<string, unknown>>;
}

export interface CallersLine extends Line {
  readonly caller: Caller;
  readonly correlationId: string;
}

/** A sweep, and its line of NDJSON, or the equivalent line if it came otherwise. */
export interface SweepLine {
  readonly parsed: ParsedSweep;
  readonly json: Readonly<Record<string, unknown>>;
}

/** The result for one tenant system; with `dryRun` only the revision at which the command would be given. */
export interface SweptItem {
  readonly tsId: string;
  readonly tenantId: string;
  readonly status?: number;
  readonly position?: string;
  readonly revision?: number;
  readonly code?: string;
  readonly detail?: string;
}

export interface SweepAnswer {
  /** Number of tenant systems that were changed. */
  readonly done: number;
  /** Number of tenant systems that remain according to the fold of this process, including those whose command was refused. */
  readonly remaining: number;
  readonly items: readonly SweptItem[];
  /** The value of `after` with which the next sweep continues; absent if this sweep has reached the end. */
  readonly next?: string;
}

/** A sweep of a caller that has no HTTP request. */
export interface CallersSweep extends SweepLine {
  readonly caller: Caller;
  readonly correlationId: string;
}

/** The result of a sweep. */
export interface Swept {
  readonly swept: SweepAnswer;
}

/**
 * The outcome of this registrar for a line, or the answer of another registrar: status and body in one object, as a line of
 * NDJSON.
 */
export type Result = Outcome | { readonly forwarded: Readonly<Record<string, unknown>> & { readonly status: number } };
