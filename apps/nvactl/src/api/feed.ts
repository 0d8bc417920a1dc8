import { EventStreamParser, SseProtocolError, type StreamEvent } from '@nva/nve';
import { sleep } from '@nva/ports';
import { isDeepStrictEqual } from 'node:util';
import { EXIT, Failure } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import type { FeedValue } from './answers.ts';
import { interrupted, Refused, type NvaClient } from './client.ts';

/** A record of a feed, as the stream has it. */
export interface FeedRecord {
  readonly key: string;
  readonly value: FeedValue;
  readonly position: string;
  readonly eventType?: string;
}

export type FeedMessage =
  | { readonly kind: 'hello'; readonly mode: 'snapshot' | 'resume'; readonly log: string }
  | { readonly kind: 'record'; readonly record: FeedRecord }
  | { readonly kind: 'snapshot-complete' }
  /** The stream broke; it is opened again by itself. */
  | { readonly kind: 'broken'; readonly reason: string };

const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 10_000;

/** Reads an event of the stream. null: an event that means nothing here. Throws a Failure for what no NVA sends. */
export function readMessage({ event = 'message', data }: StreamEvent): FeedMessage | null {
  const json = (): Readonly<Record<string, unknown>> => {
    try {
      const value: unknown = JSON.parse(data);
      if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
    } catch {
      // Said below, with every other fault.
    }
    throw new Failure(EXIT.unreachable, `the feed has an event that is no JSON object: ${data.slice(0, 100)}`);
  };
  if (event === 'hello') {
    const { mode, log } = json();
    return { kind: 'hello', mode: mode === 'resume' ? 'resume' : 'snapshot', log: String(log) };
  }
  if (event === 'snapshot-complete') return { kind: 'snapshot-complete' };
  if (event !== 'message') return null;
  const { key, value, position, eventType } = json();
  if (typeof key !== 'string' || (typeof value !== 'object' && value !== undefined) || position === undefined)
    throw new Failure(EXIT.unreachable, 'the feed has a record without key, value or position');
  return {
    kind: 'record',
    record: { key, value: (value ?? null) as FeedValue, position: String(position), ...(typeof eventType === 'string' && { eventType }) },
  };
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** The first connection is tried again too, if the NVA cannot be reached or says to come later. */
  readonly isPatient?: boolean;
}

/**
 * Follows a feed for ever, over breaks of the connection: it resumes after the last whole change. An NVA that has lost the end of its
 * log is asked again later, since the loss may be repaired (docs/contract.md). Throws a Failure if the first connection fails, if the
 * NVA refuses the feed, or when `signal` aborts.
 */
export async function* followFeed(
  client: Pick<NvaClient, 'stream'>,
  path: string,
  io: Pick<Io, 'clock'>,
  { signal, isPatient = false }: FollowOptions,
): AsyncGenerator<FeedMessage, void> {
  let lastEventId: string | null = null;
  let retryMs = FIRST_RETRY_MS;
  for (let first = !isPatient; ; first = false) {
    try {
      const waiting: StreamEvent[] = [];
      const parser = new EventStreamParser((event) => waiting.push(event));
      for await (const piece of client.stream(path, lastEventId, signal)) {
        parser.feed(piece);
        for (const event of waiting.splice(0)) {
          if (event.id !== undefined) lastEventId = event.id;
          const message = readMessage(event);
          if (message) yield message;
          retryMs = FIRST_RETRY_MS;
        }
      }
      yield { kind: 'broken', reason: 'the NVA ended the stream' };
    } catch (error) {
      if (error instanceof SseProtocolError) throw new Failure(EXIT.unreachable, error.message, { cause: error });
      if (!(error instanceof Failure) || first || !isPassing(error)) throw error;
      yield { kind: 'broken', reason: error.message };
    }
    try {
      await sleep(io.clock, retryMs, { signal });
    } catch {
      throw interrupted();
    }
    retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
  }
}

const isPassing = (error: Failure): boolean =>
  error.exitCode === EXIT.unreachable || (error instanceof Refused && error.problem.code === 'ahead-of-log');

export interface FeedChange {
  readonly sign: '+' | '~' | '-';
  readonly record: FeedRecord;
}

/**
 * What a feed says now. What the NVA sends from a hello to the end of its snapshot, or of what came since, takes the place of what was
 * known when it is complete: in between, the table may be one that never was.
 */
export class FeedState {
  #records = new Map<string, FeedRecord>();
  #fresh: { readonly mode: 'snapshot' | 'resume'; readonly records: Map<string, FeedRecord> } | null = null;
  #position = '0';
  #log: string | null = null;
  #isOtherLog = false;
  #broken: string | null = null;
  #whole = false;

  /** null while the stream stands. */
  get broken(): string | null {
    return this.#broken;
  }

  /** Whether a snapshot was complete once. */
  get whole(): boolean {
    return this.#whole;
  }

  /** Whether it is what the NVA says now: it is whole, and nothing is being read anew. */
  get live(): boolean {
    return this.#whole && this.#fresh === null && this.#broken === null;
  }

  /** Whether the log is another one than at the time before: it was renewed (`accept-loss`), or made anew. */
  get isOtherLog(): boolean {
    return this.#isOtherLog;
  }

  get position(): string {
    return this.#position;
  }

  get records(): ReadonlyMap<string, FeedRecord> {
    return this.#records;
  }

  /** What the message changed, of what was shown before. */
  apply(message: FeedMessage): readonly FeedChange[] {
    if (message.kind === 'broken') {
      this.#broken = message.reason;
      return [];
    }
    this.#broken = null;
    switch (message.kind) {
      case 'hello':
        this.#begin(message.mode, message.log);
        return [];
      case 'record':
        return this.#record(message.record);
      case 'snapshot-complete':
        return this.#complete();
    }
  }

  #begin(mode: 'snapshot' | 'resume', log: string): void {
    this.#isOtherLog = this.#log !== null && this.#log !== log;
    if (this.#isOtherLog) this.#position = '0';
    this.#log = log;
    // A resume that broke goes on after what it had brought.
    if (mode === 'resume' && this.#fresh?.mode === 'resume') return;
    this.#fresh = { mode, records: new Map(mode === 'resume' ? this.#records : []) };
  }

  #record(record: FeedRecord): readonly FeedChange[] {
    if (BigInt(digits(record.position)) > BigInt(digits(this.#position))) this.#position = record.position;
    const known = this.#fresh?.records ?? this.#records;
    const before = known.get(record.key);
    if (record.value === null) known.delete(record.key);
    else known.set(record.key, record);
    if (this.#fresh || (record.value === null && !before)) return [];
    return [{ sign: record.value === null ? '-' : before ? '~' : '+', record }];
  }

  #complete(): readonly FeedChange[] {
    if (!this.#fresh) return [];
    const { records: fresh } = this.#fresh;
    const before = this.#records;
    const first = !this.#whole;
    this.#records = fresh;
    this.#fresh = null;
    this.#whole = true;
    if (first) return [];
    // Positions of another log say nothing of this one.
    const isSame = (a: FeedRecord | undefined, b: FeedRecord): boolean =>
      this.#isOtherLog ? isDeepStrictEqual(a?.value, b.value) : a?.position === b.position;
    return [
      ...[...before.values()]
        .filter(({ key }) => !fresh.has(key))
        .map((record): FeedChange => ({ sign: '-', record: { ...record, value: null } })),
      ...[...fresh.values()]
        .filter((record) => !isSame(before.get(record.key), record))
        .map((record): FeedChange => ({ sign: before.has(record.key) ? '~' : '+', record })),
    ];
  }
}

const digits = (position: string): string => (/^\d{1,20}$/.test(position) ? position : '0');
