import type { ParsedCommand, ParsedSweep } from '@nva/commands';
import type { Refusal } from '@nva/identifiers';
import type { Outcome, RehearsedEvent } from '@nva/registrar';

/** Something that is supposed to happen without a command. */
export type Scenario =
  /** An NVE stops forwarding. The NVA notices it by its lease; where it has none, as if it had disconnected. */
  | { readonly type: 'nve-fails'; readonly nveId: string }
  /** All NVEs of a site that are reachable. */
  | { readonly type: 'site-fails'; readonly siteId: string }
  /** A VN is emptied, however many tenant systems are in it, and deleted. */
  | { readonly type: 'vn-deleted'; readonly vnid: number }
  /** From then on nothing is published of the shards: the VNs of these VNIDs modulo their number. */
  | { readonly type: 'distributor-stops'; readonly shards: readonly number[] };

/** One supposition. */
export type Step =
  | { readonly name: string; readonly command: ParsedCommand }
  | { readonly name: string; readonly sweep: ParsedSweep }
  | { readonly name: string; readonly scenario: Scenario };

/** What a sweep came to: how many tenant systems it changed, how many are left, and the first refusal. */
export interface SweptCount {
  readonly done: number;
  readonly remaining: number;
  readonly refused: { readonly tsId: string; readonly tenantId: string; readonly refusal: Refusal } | null;
}

/** What a step would come to. */
export interface StepOutcome {
  readonly name: string;
  /** Of a command: its outcome. Of a sweep or a scenario, the refusal if it cannot be, else null. */
  readonly outcome: Outcome | null;
  readonly swept: SweptCount | null;
  readonly events: readonly RehearsedEvent[];
  /** What an operator should know about the supposition; null where there is nothing. */
  readonly note: string | null;
}
