import type { ParsedCommand, ParsedSweep } from '@nva/commands';
import type { Caller, Outcome } from '@nva/registrar';

/** A command, and the line of NDJSON that it is or could have been. */
export interface Line {
  readonly parsed: ParsedCommand;
  readonly json: Readonly<Record<string, unknown>>;
}

export interface CallersLine extends Line {
  readonly caller: Caller;
  readonly correlationId: string;
}

/** A sweep, and the line of NDJSON that it is or could have been. */
export interface SweepLine {
  readonly parsed: ParsedSweep;
  readonly json: Readonly<Record<string, unknown>>;
}

/** What became of one tenant system; with `dryRun` only which revision the command would be meant for. */
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
  /** Tenant systems that were changed. */
  readonly done: number;
  /** Those that are still there by the fold of this process, refused ones among them. */
  readonly remaining: number;
  readonly items: readonly SweptItem[];
  /** Give it as `after` to go on behind what this one has looked at; absent when it has come to the end. */
  readonly next?: string;
}

/** A sweep of a caller that has no request of its own. */
export interface CallersSweep extends SweepLine {
  readonly caller: Caller;
  readonly correlationId: string;
}

/** What came of a sweep. */
export interface Swept {
  readonly swept: SweepAnswer;
}

/** What this registrar made of a line, or what another one answered: status and body in one, as a line of NDJSON. */
export type Result = Outcome | { readonly forwarded: Readonly<Record<string, unknown>> & { readonly status: number } };
