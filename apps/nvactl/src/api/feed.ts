import { EventStreamParser, SseProtocolError, type StreamEvent } from '@nva/nve';
import { sleep } from '@nva/ports';
import { EXIT, Failure } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import type { FeedValue } from './answers.ts';
import { interrupted, type NvaClient } from './client.ts';

/** A record of a feed, as the stream has it. */
export interface FeedRecord {
  readonly key: string;
  readonly value: FeedValue;
  readonly position: string;
  readonly eventType?: string;
}

export type FeedMessage =
  | { readonly kind: 'hello'; readonly mode: 'snapshot' | 'resume' }
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
  if (event === 'hello') return { kind: 'hello', mode: json()['mode'] === 'resume' ? 'resume' : 'snapshot' };
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

/**
 * Follows a feed for ever, over breaks of the connection: it resumes after the last whole change. Throws a Failure if the first
 * connection fails, if the NVA refuses the feed, or when `signal` aborts.
 */
export async function* followFeed(
  client: NvaClient,
  path: string,
  io: Pick<Io, 'clock'>,
  signal: AbortSignal,
): AsyncGenerator<FeedMessage, void> {
  let lastEventId: string | null = null;
  let retryMs = FIRST_RETRY_MS;
  for (let first = true; ; first = false) {
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
      if (!(error instanceof Failure) || error.exitCode !== EXIT.unreachable || first) throw error;
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

export interface FeedChange {
  readonly sign: '+' | '~' | '-';
  readonly record: FeedRecord;
}

/** What a feed says now. A new snapshot takes the place of the old one when it is complete. */
export class FeedState {
  #records = new Map<string, FeedRecord>();
  #fresh: Map<string, FeedRecord> | null = null;
  #position = '0';
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
        this.#fresh = message.mode === 'snapshot' ? new Map() : null;
        return [];
      case 'record':
        return this.#record(message.record);
      case 'snapshot-complete':
        return this.#complete();
    }
  }

  #record(record: FeedRecord): readonly FeedChange[] {
    if (BigInt(digits(record.position)) > BigInt(digits(this.#position))) this.#position = record.position;
    const known = this.#fresh ?? this.#records;
    const before = known.get(record.key);
    if (record.value === null) known.delete(record.key);
    else known.set(record.key, record);
    if (this.#fresh || (record.value === null && !before)) return [];
    return [{ sign: record.value === null ? '-' : before ? '~' : '+', record }];
  }

  #complete(): readonly FeedChange[] {
    const fresh = this.#fresh;
    if (!fresh) return [];
    const before = this.#records;
    const first = !this.#whole;
    this.#records = fresh;
    this.#fresh = null;
    this.#whole = true;
    if (first) return [];
    return [
      ...[...before.values()]
        .filter(({ key }) => !fresh.has(key))
        .map((record): FeedChange => ({ sign: '-', record: { ...record, value: null } })),
      ...[...fresh.values()]
        .filter(({ key, position }) => before.get(key)?.position !== position)
        .map((record): FeedChange => ({ sign: before.has(record.key) ? '~' : '+', record })),
    ];
  }
}

const digits = (position: string): string => (/^\d{1,20}$/.test(position) ? position : '0');
