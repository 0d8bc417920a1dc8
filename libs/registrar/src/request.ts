import type { SnapshotKey } from '@nva/codec';
import type { Command, Quotas } from '@nva/domain';
import type { Refusal } from '@nva/identifiers';
import type { Ids } from '@nva/ports';
import type { Caller } from './access.ts';
import type { Answer } from './answer.ts';
import type { KeyBounds } from './idempotency.ts';

/** A command with its caller and options. */
export interface Request {
  readonly command: Command;
  readonly caller: Caller;
  readonly correlationId: string;
  /** Refused unless the stream is at this revision (X9). */
  readonly ifRevision?: number;
  readonly idempotency?: { readonly key: string; readonly requestDigest: string };
}

export type Outcome = { readonly answer: Answer } | { readonly refusal: Refusal };

export interface RegistrarOptions {
  /** Idempotency-Keys of the part of the log that the replica does not fold again. */
  readonly keys?: readonly SnapshotKey[];
  /** Quotas; null, the default, means that nothing is bounded. */
  readonly quotas?: Quotas | null;
  readonly keyBounds?: KeyBounds;
  readonly ids?: Ids;
}

/**
 * Called with every accepted command that needed no event (a renewal, a heartbeat), and with the name of the tenant system that
 * the command is about.
 */
export type RenewalListener = (command: Command, tsName: string | undefined) => void;
