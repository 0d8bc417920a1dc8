import { BACKWARDS, END, type AllStreamResolvedEvent, type Position as LogPosition, type RecordedEvent as ServerEvent, type ResolvedEvent } from '@eventstore/db-client';
import { LogRefused, type EventBatch, type LogHead, type RecordedEvent } from '@nva/ports';
import type { Connection } from './connection.ts';
import { isStreamNotFound, portError } from './errors.ts';
import { fingerprintOf, type EventFormat } from './event-format.ts';
import type { EventStoreDbLimits } from './limits.ts';
import type { LogStream } from './log-stream.ts';
import type { Observed } from './observed.ts';
import { checkpointOf, isAfter, placeOf, toLogPosition, type Place } from './positions.ts';

interface Parts {
  readonly connection: Connection;
  readonly format: EventFormat;
  readonly logStream: LogStream;
  readonly observed: Observed;
  readonly limits: EventStoreDbLimits;
}

/**
 * Reads of a stream and of `$all`. The client reads `$all` without a filter, so what is not ours is skipped here: on a server
 * that others share, a subscription, which the server filters, is the cheaper way through the whole log.
 */
export class Reads {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async *stream(stream: string, fromRevision: number, limit: number): AsyncGenerator<RecordedEvent, void> {
    if (limit === 0) return;
    const { connection, format, limits } = this.#parts;
    const serverStream = format.prefix + stream;
    const options = { fromRevision: BigInt(fromRevision), ...(limit === Infinity ? {} : { maxCount: limit }) };
    let next = fromRevision;
    try {
      const read = connection.client.readStream(serverStream, options, { highWaterMark: limits.readAheadEvents });
      for await (const resolved of connection.take<ResolvedEvent>(read, limits.batchEvents)) {
        for (const event of await this.decode(resolved.map((item) => item.event as ServerEvent))) {
          if (event.revision !== next++) throw new LogRefused(`«${serverStream}» has no event ${next - 1}: it was deleted or truncated on the server`);
          yield event;
        }
      }
    } catch (error) {
      if (!isStreamNotFound(error)) throw portError(error, `reading «${serverStream}»`);
    }
    connection.assertOpen();
  }

  async *all(after: Place, limit: number): AsyncGenerator<EventBatch, void> {
    if (limit === 0) return;
    const { connection, limits } = this.#parts;
    let left = limit;
    try {
      // Reading begins at a position, not after it.
      const read = connection.client.readAll({ fromPosition: this.from(after) }, { highWaterMark: limits.readAheadEvents });
      for await (const resolved of connection.take<AllStreamResolvedEvent>(read, limits.batchEvents)) {
        const batch = await this.batch(resolved, after, left);
        if (batch) yield batch;
        left -= batch?.events.length ?? 0;
        if (left === 0) return;
      }
    } catch (error) {
      throw portError(error, 'reading $all');
    }
    connection.assertOpen();
  }

  /** Where the server is to begin so that nothing after `after` is left out: not before the log itself. */
  from(after: Place): LogPosition {
    const { createdAt } = this.#parts.logStream;
    return toLogPosition(isAfter(createdAt, after) ? createdAt : after);
  }

  /** The events of this log among those given, which stand after `after`; null if there is none. */
  async batch(resolved: readonly AllStreamResolvedEvent[], after: Place, limit = Infinity): Promise<EventBatch | null> {
    const { format, observed } = this.#parts;
    const ours: ServerEvent[] = [];
    let last = after;
    for (const { event } of resolved) {
      if (!event || !format.isOurs(event)) continue;
      const place = placeOf(event.position, `event ${event.revision} of «${event.streamId}»`);
      if (!isAfter(place, last) || ours.length >= limit) continue;
      ours.push(event as ServerEvent);
      last = place;
    }
    if (ours.length === 0) return null;
    const events = await this.decode(ours);
    observed.own(last.commit);
    return { events, checkpoint: checkpointOf(last) };
  }

  /** A fingerprint that is not known yet may stand in the log's own stream by now: that is read again, once per batch. */
  async decode(recorded: readonly ServerEvent[]): Promise<RecordedEvent[]> {
    const { format, logStream } = this.#parts;
    const unknown = recorded.some((event) => {
      const fingerprint = fingerprintOf(event);
      return fingerprint !== null && !format.codec.knows(fingerprint);
    });
    if (unknown) await logStream.learn();
    return recorded.map((event) => format.decode(event));
  }

  /** Reads back from the end of `$all` until the last event of this log, or the last that this process has seen. */
  async head(): Promise<LogHead> {
    const { connection, format, limits, observed } = this.#parts;
    let head = observed.ownPosition;
    try {
      const read = connection.client.readAll({ direction: BACKWARDS, fromPosition: END }, { highWaterMark: limits.readAheadEvents });
      search: for await (const resolved of connection.take<AllStreamResolvedEvent>(read, limits.batchEvents)) {
        for (const { event } of resolved) {
          if (!event) continue;
          const ours = format.isOurs(event) && !event.type.startsWith('$');
          if (ours) head = Math.max(head, placeOf(event.position, `event ${event.revision} of «${event.streamId}»`).commit);
          if (ours || Number(event.position.commit) <= head) break search;
        }
      }
    } catch (error) {
      throw portError(error, 'reading the end of $all');
    }
    connection.assertOpen();
    observed.own(head);
    return { position: head, checkpoint: checkpointOf({ commit: head, prepare: head }) };
  }
}
