import { createRecordCodec, CodecError, type FeedValue, type RecordCodec } from '@nva/codec';
import { numeral } from '@nva/identifiers';
import type { FeedRecord, Position, Undecodable } from '@nva/ports';
import { SseProtocolError, type StreamEvent } from './event-stream.ts';
import { valueTypeOf } from './feed-keys.ts';

export type Message =
  | { readonly kind: 'hello'; readonly log: string; readonly mode: 'snapshot' | 'resume' }
  | { readonly kind: 'record'; readonly record: FeedRecord }
  | { readonly kind: 'undecodable'; readonly failure: Undecodable }
  | { readonly kind: 'snapshot-complete'; readonly log: string; readonly position: Position }
  /** An event of a later version of the protocol, to be ignored. */
  | { readonly kind: 'other' };

/**
 * Reads the events of one feed stream (README, «The protocol»). A record that cannot be understood is a message of its own; any
 * other fault is an SseProtocolError.
 */
export class MessageReader {
  readonly #codec: RecordCodec = createRecordCodec();
  #log: string | null = null;
  #count = 0;

  read(event: StreamEvent): Message {
    this.#count++;
    if (event.event === 'hello') return this.#hello(event.data);
    if (this.#log === null) throw new SseProtocolError(`the stream starts with «${event.event ?? 'message'}», not with «hello»`);
    if (event.event === 'snapshot-complete') return this.#snapshotComplete(event.id);
    return event.event === undefined || event.event === 'message' ? this.#record(event, this.#log) : { kind: 'other' };
  }

  #hello(data: string): Message {
    const { log, mode } = objectIn(data) ?? {};
    if (typeof log !== 'string' || log === '' || (mode !== 'snapshot' && mode !== 'resume'))
      throw new SseProtocolError(`malformed hello: ${data.slice(0, 200)}`);
    this.#log = log;
    return { kind: 'hello', log, mode };
  }

  #snapshotComplete(id: string | undefined): Message {
    const at = id === undefined ? -1 : id.lastIndexOf('/');
    const position = at < 0 ? null : positionIn(id!.slice(at + 1));
    if (position === null || id!.slice(0, at) !== this.#log)
      throw new SseProtocolError(`snapshot-complete with id «${id ?? ''}» in a stream of log ${this.#log}`);
    return { kind: 'snapshot-complete', log: this.#log, position };
  }

  #record({ id, data }: StreamEvent, log: string): Message {
    const fields = objectIn(data);
    const key = typeof fields?.['key'] === 'string' ? fields['key'] : null;
    const position = positionIn(fields?.['position']);
    try {
      if (key === null || position === null) throw new CodecError('a record is {key, value, position}');
      const value = this.#value(key, fields!['value']);
      return { kind: 'record', record: { key, value, position, log, changeEnd: id !== undefined, ...provenance(fields!) } };
    } catch (cause) {
      const at = position === null ? `${log} event ${this.#count}` : `${log}/${position}`;
      return {
        kind: 'undecodable',
        failure: { undecodable: true, key, at, cause: cause instanceof Error ? cause : new Error(String(cause)) },
      };
    }
  }

  /**
   * The value in the JSON, checked against its schema. Fields that the schema does not know are left out, and absent ones get
   * their default.
   */
  #value(key: string, json: unknown): FeedValue | null {
    if (json === null) return null;
    if (typeof json !== 'object') throw new CodecError('a value is an object, or null for a removal');
    const type = valueTypeOf(key);
    if (type === null) throw new CodecError(`no value is known for keys like «${key}»`);
    const data = 'since' in json ? { ...json, since: numeral(json.since) } : json;
    return this.#codec.decode(this.#codec.encode({ type, data } as FeedValue));
  }
}

function objectIn(data: string): Record<string, unknown> | null {
  try {
    const json: unknown = JSON.parse(data);
    return typeof json === 'object' ? (json as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}

/** Positions are decimal strings in JSON; a plain number is accepted as well. */
function positionIn(json: unknown): Position | null {
  const position = numeral(json);
  return typeof position === 'number' && Number.isSafeInteger(position) && position >= 0 ? position : null;
}

function provenance({
  eventType,
  correlationId,
  recordedAt,
}: Record<string, unknown>): Pick<FeedRecord, 'eventType' | 'correlationId' | 'recordedAt'> {
  return {
    ...(typeof eventType === 'string' ? { eventType } : {}),
    ...(typeof correlationId === 'string' ? { correlationId } : {}),
    ...(typeof recordedAt === 'number' ? { recordedAt } : {}),
  };
}
