import {
  BACKWARDS,
  END,
  type AllStreamResolvedEvent,
  type Position as LogPosition,
  type RecordedEvent as ServerEvent,
  type ResolvedEvent,
} from '@eventstore/db-client';
import { LogRefused, type Clock, type EventBatch, type LogHead, type Logger, type Position, type RecordedEvent } from '@nva/ports';
import { Attempts } from './attempts.ts';
import type { Connection } from './connection.ts';
import { isStreamNotFound, portError } from './errors.ts';
import { fingerprintOf, type EventFormat } from './event-format.ts';
import type { EventStoreDbLimits } from './limits.ts';
import type { LogStream } from './log-stream.ts';
import type { Observed } from './observed.ts';
import { checkpointAt, checkpointOf, isAfter, parseCheckpoint, placeOf, toLogPosition, type Place } from './positions.ts';

interface Parts {
  readonly connection: Connection;
  readonly format: EventFormat;
  readonly logStream: LogStream;
  readonly observed: Observed;
  readonly limits: EventStoreDbLimits;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Reads of a stream and of `$all`. The client reads `$all` without a filter, so events of other logs are skipped here. On a
 * server that others share, a subscription, which the server filters, is the cheaper way to read the whole log.
 */
export class Reads {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async *stream(stream: string, fromRevision: number, limit: number): AsyncGenerator<RecordedEvent, void> {
    const serverStream = this.#parts.format.prefix + stream;
    const end = fromRevision + limit;
    let next = fromRevision;
    for (const attempts = this.#attempts(); next < end;) {
      try {
        for await (const event of this.#streamOnce(serverStream, next, end - next, attempts.leftMs)) {
          attempts.won();
          if (event.revision !== next++)
            throw new LogRefused(`«${serverStream}» has no event ${next - 1}: it was deleted or truncated on the server`);
          yield event;
        }
        break;
      } catch (error) {
        if (isStreamNotFound(error)) break;
        await attempts.again(error, `reading «${serverStream}»`);
      }
    }
    this.#parts.connection.assertOpen();
  }

  async *#streamOnce(serverStream: string, fromRevision: number, limit: number, withinMs: number): AsyncGenerator<RecordedEvent, void> {
    const { connection, limits } = this.#parts;
    const node = await connection.leader(withinMs);
    const options = { fromRevision: BigInt(fromRevision), requiresLeader: true, ...(limit === Infinity ? {} : { maxCount: limit }) };
    const read = node.client.readStream(serverStream, options, { highWaterMark: limits.readAheadEvents });
    for await (const resolved of connection.take<ResolvedEvent>(node, read, limits.batchEvents))
      yield* await this.decode(resolved.map(({ event }) => event as ServerEvent));
  }

  async *all(after: Place, limit: number, withBytes = false): AsyncGenerator<EventBatch, void> {
    const { connection, limits } = this.#parts;
    let place = after;
    let left = limit;
    for (const attempts = this.#attempts(); left > 0;) {
      try {
        const node = await connection.leader(attempts.leftMs);
        // A read begins at a position, not after it.
        const read = node.client.readAll(
          { fromPosition: this.from(place), requiresLeader: true },
          { highWaterMark: limits.readAheadEvents },
        );
        for await (const resolved of connection.take<AllStreamResolvedEvent>(node, read, limits.batchEvents)) {
          attempts.won();
          const batch = await this.batch(resolved, place, left, withBytes);
          if (!batch) continue;
          place = parseCheckpoint(batch.checkpoint);
          left -= batch.events.length;
          yield batch;
          if (left === 0) return;
        }
        break;
      } catch (error) {
        await attempts.again(error, 'reading $all');
      }
    }
    connection.assertOpen();
  }

  /** Newest first, starting before an event's position, or at the end, back to the log's creation. */
  async *allBackwards(before: Position | undefined, limit: number): AsyncGenerator<RecordedEvent[], void> {
    const { connection, format, limits, logStream } = this.#parts;
    const floor = logStream.createdAt.commit;
    let last = before;
    let left = limit;
    for (const attempts = this.#attempts(); left > 0;) {
      try {
        const node = await connection.leader(attempts.leftMs);
        // A server reads what stands before a position at which a record begins.
        const fromPosition = last === undefined ? END : toLogPosition({ commit: last, prepare: last });
        const read = node.client.readAll(
          { direction: BACKWARDS, fromPosition, requiresLeader: true },
          { highWaterMark: limits.readAheadEvents },
        );
        for await (const resolved of connection.take<AllStreamResolvedEvent>(node, read, limits.batchEvents)) {
          attempts.won();
          const ours = resolved.flatMap(({ event }) => (event && format.isOurs(event) ? [event as ServerEvent] : []));
          const events = await this.decode(ours.slice(0, left));
          if (events.length > 0) {
            last = events.at(-1)!.position;
            left -= events.length;
            yield events;
          }
          if (left === 0 || resolved.some(({ event }) => event && Number(event.position.commit) <= floor)) return;
        }
        break;
      } catch (error) {
        // An invalid place will be invalid at the next attempt, too.
        const refused = portError(error, 'reading $all backwards');
        if (refused instanceof RangeError) throw refused;
        await attempts.again(error, 'reading $all backwards');
      }
    }
    connection.assertOpen();
  }

  /** The event of this log at a position; null if none stands there. */
  async at(position: Position): Promise<RecordedEvent | null> {
    if (position <= this.#parts.logStream.createdAt.commit) return null;
    const place = { commit: position, prepare: position };
    for (const attempts = this.#attempts(); ;) {
      try {
        const resolved = await this.#oneFrom(place, attempts.leftMs);
        this.#parts.connection.assertOpen();
        if (!resolved?.event || !this.#parts.format.isOurs(resolved.event)) return null;
        if (placeOf(resolved.event.position, `event ${resolved.event.revision} of «${resolved.event.streamId}»`).commit !== position)
          return null;
        return (await this.decode([resolved.event as ServerEvent]))[0]!;
      } catch (error) {
        // No record begins there.
        if (portError(error, 'reading $all') instanceof RangeError) return null;
        await attempts.again(error, 'reading $all');
      }
    }
  }

  /** The record at a place, or the next one after it; undefined at the end. */
  async #oneFrom(place: Place, withinMs: number): Promise<AllStreamResolvedEvent | undefined> {
    const { connection } = this.#parts;
    const node = await connection.leader(withinMs);
    const read = node.client.readAll({ fromPosition: toLogPosition(place), requiresLeader: true, maxCount: 1 });
    let found: AllStreamResolvedEvent | undefined;
    for await (const [resolved] of connection.take<AllStreamResolvedEvent>(node, read, 1)) found ??= resolved;
    return found;
  }

  #attempts(): Attempts {
    return new Attempts(this.#parts, this.#parts.limits.readDeadlineMs);
  }

  /** Where the server must begin so that no event after `after` is missed, but not before the creation of the log. */
  from(after: Place): LogPosition {
    const { createdAt } = this.#parts.logStream;
    return toLogPosition(isAfter(createdAt, after) ? createdAt : after);
  }

  /** The events of this log among those given that stand after `after`; null if there are none. */
  async batch(resolved: readonly AllStreamResolvedEvent[], after: Place, limit = Infinity, withBytes = false): Promise<EventBatch | null> {
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
    const events = await this.decode(ours, withBytes);
    observed.own(last.commit);
    return { events, checkpoint: checkpointOf(last) };
  }

  /**
   * A schema with an unknown fingerprint may have been added to the log's own stream meanwhile: that stream is read again, once
   * per batch.
   */
  async decode(recorded: readonly ServerEvent[], withBytes = false): Promise<RecordedEvent[]> {
    const { format, logStream } = this.#parts;
    const unknown = recorded.some((event) => {
      const fingerprint = fingerprintOf(event);
      return fingerprint !== null && !format.codec.knows(fingerprint);
    });
    if (unknown) await logStream.learn(this.#parts.limits.readDeadlineMs);
    return recorded.map((event) => format.decode(event, withBytes));
  }

  schemas(): readonly object[] {
    return this.#parts.format.codec.schemas;
  }

  /** Reads back from the end of `$all` to the last event of this log, or the last that this process has seen. */
  async head(): Promise<LogHead> {
    const { connection, observed } = this.#parts;
    for (const attempts = this.#attempts(); ;) {
      try {
        observed.own(await this.#last(observed.ownPosition, attempts.leftMs));
        connection.assertOpen();
        return { position: observed.ownPosition, checkpoint: checkpointAt(observed.ownPosition) };
      } catch (error) {
        await attempts.again(error, 'reading the end of $all');
      }
    }
  }

  async #last(known: Position, withinMs: number): Promise<Position> {
    const { connection, format, limits, logStream } = this.#parts;
    const floor = Math.max(known, logStream.createdAt.commit);
    const node = await connection.leader(withinMs);
    const read = node.client.readAll(
      { direction: BACKWARDS, fromPosition: END, requiresLeader: true },
      { highWaterMark: limits.readAheadEvents },
    );
    for await (const resolved of connection.take<AllStreamResolvedEvent>(node, read, limits.batchEvents)) {
      for (const { event } of resolved) {
        if (!event) continue;
        if (format.isOurs(event) && !event.type.startsWith('$'))
          return placeOf(event.position, `event ${event.revision} of «${event.streamId}»`).commit;
        if (Number(event.position.commit) <= floor) return known;
      }
    }
    return known;
  }
}
