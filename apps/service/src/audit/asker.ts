import { formatShards } from '@nva/kafka';
import { Refusal } from '@nva/identifiers';
import type { Position } from '@nva/ports';
import { actorOf } from '@nva/registrar';
import type { FastifyRequest } from 'fastify';
import { contextOf } from '../access/request-context.ts';
import { readShards } from '../config/shards.ts';

/** The header by which an admin asks another one for its part of an answer. */
export const AUDIT_PART = 'x-audit-part';

/** A part of an answer that another admin puts together. */
export interface Part {
  /** The shards for which it is asked, which the process must keep. */
  readonly shards: readonly number[];
  /** Where the log ends for the admin that asks. */
  readonly head: Position;
  readonly log: string;
}

/** Who asks about the past. */
export interface Asker {
  readonly caller: string;
  /** What is shown to admins to which the question is passed on. */
  readonly authorization: string | undefined;
  readonly correlationId: string;
  /** null: a caller wants the whole answer. */
  readonly part: Part | null;
}

/** Throws Refusal. */
export function askerOf(request: FastifyRequest): Asker {
  const { caller, authorization, correlationId } = contextOf(request);
  const header = request.headers[AUDIT_PART];
  return { caller: actorOf(caller), authorization, correlationId, part: header === undefined ? null : readPart(header) };
}

export const formatPart = ({ shards, head, log }: Part): string => `${formatShards(shards).replaceAll(' ', '')}@${head}@${log}`;

function readPart(received: string | readonly string[]): Part {
  const [, text = '', head, log] = (typeof received === 'string' && /^([\d,-]{1,256})@(\d{1,16})@([\da-f-]{36})$/.exec(received)) || [];
  const read = readShards(text);
  if (log === undefined || !('shards' in read) || !Number.isSafeInteger(Number(head)))
    throw new Refusal('out-of-range', 'X-Audit-Part is <shards>@<position>@<log>', { field: 'X-Audit-Part', received });
  return { shards: read.shards, head: Number(head), log };
}
