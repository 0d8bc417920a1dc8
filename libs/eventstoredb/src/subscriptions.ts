import { streamNameFilter, type AllStreamResolvedEvent, type Position as LogPosition } from '@eventstore/db-client';
import { LogRefused, type Logger, type SubscriptionMessage } from '@nva/ports';
import { discard, type Connection } from './connection.ts';
import { isFinal, portError } from './errors.ts';
import { SEARCH_WINDOW_EVENTS, type EventStoreDbLimits } from './limits.ts';
import { isAfter, parseCheckpoint, type Place } from './positions.ts';
import { Pull } from './pull.ts';
import type { Reads } from './reads.ts';
import { wait } from './waiting.ts';

/** What the server reported between two events. `after` is the number of this connection's events before it. */
interface Mark {
  readonly after: number;
  readonly caughtUp: boolean;
  readonly place: Place | undefined;
}

interface Parts {
  readonly connection: Connection;
  readonly reads: Reads;
  readonly prefix: string;
  readonly limits: EventStoreDbLimits;
  readonly log: Logger;
}

/**
 * A filtered catch-up subscription to `$all` that reconnects automatically. It keeps the place of the last event that it has
 * handed over, or of the last checkpoint behind that event, and starts the next connection there; events that a broken connection
 * had read ahead are read again. The server repeats nothing at or before the given place, and a repeat would be dropped here.
 */
export class Subscriptions {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async *from(after: Place, reader: AbortSignal): AsyncGenerator<SubscriptionMessage, void> {
    const { connection, limits, log } = this.#parts;
    const signal = AbortSignal.any([reader, connection.signal]);
    const cursor = { place: after };
    for (let failures = 0; !signal.aborted;) {
      try {
        for await (const message of this.#connected(cursor, signal)) {
          failures = 0;
          yield message;
        }
      } catch (error) {
        if (signal.aborted) return;
        const reason = portError(error, 'subscription to $all');
        if (isFinal(reason)) throw reason;
        log.warn('the subscription broke off and begins again', { failures, commit: cursor.place.commit, err: error });
      }
      if (!signal.aborted) await wait(Math.min(limits.firstDelayMs * 2 ** failures++, limits.largestDelayMs), signal);
    }
  }

  /** One connection, until it ends or breaks. */
  async *#connected(cursor: { place: Place }, signal: AbortSignal): AsyncGenerator<SubscriptionMessage, void> {
    const { connection, reads, prefix, limits } = this.#parts;
    const node = await connection.preferred(signal);
    const marks: Mark[] = [];
    let taken = 0;
    let delivered = cursor.place;
    const mark = (caughtUp: boolean, position?: LogPosition): void => {
      const place = position && { commit: Number(position.commit), prepare: Number(position.prepare) };
      const next = { after: pull.read + subscription.readableLength, caughtUp, place };
      // Of several checkpoints without an event between them, the last one is enough.
      if (!caughtUp && marks.at(-1)?.caughtUp === false && marks.at(-1)!.after === next.after) marks.pop();
      marks.push(next);
      pull.notify();
    };
    const filter = streamNameFilter({
      prefixes: [prefix],
      maxSearchWindow: SEARCH_WINDOW_EVENTS,
      checkpointInterval: 1,
      checkpointReached: (_, position) => mark(false, position),
    });
    const subscription = node.client.subscribeToAll(
      { fromPosition: reads.from(cursor.place), filter },
      { highWaterMark: limits.readAheadEvents },
    );
    const pull = new Pull<AllStreamResolvedEvent>(subscription);
    const stop = (): void => pull.stop();
    const fail = (): void => pull.fail(new Error('the node has stopped answering'));
    const due = (): boolean => marks.length > 0 && marks[0]!.after <= taken;
    subscription.on('caughtUp', () => mark(true));
    signal.addEventListener('abort', stop);
    node.gone.addEventListener('abort', fail);
    try {
      if (node.gone.aborted) fail();
      for (;;) {
        while (due()) {
          const { caughtUp, place } = marks.shift()!;
          if (place && isAfter(place, cursor.place)) cursor.place = place;
          if (caughtUp) yield { kind: 'caught-up' };
          if (signal.aborted) return;
        }
        const room = marks.length > 0 ? Math.min(limits.batchEvents, marks[0]!.after - taken) : limits.batchEvents;
        const resolved = await pull.take(room, due);
        if (resolved === null || signal.aborted) return;
        taken += resolved.length;
        const batch = await reads.batch(resolved, delivered);
        if (!batch) continue;
        if (batch.events[0]!.position <= cursor.place.commit)
          throw new LogRefused(
            `the subscription gave event ${batch.events[0]!.position} behind a checkpoint at ${cursor.place.commit}: going on from there would lose it`,
          );
        delivered = parseCheckpoint(batch.checkpoint);
        cursor.place = delivered;
        if (signal.aborted) return;
        yield { kind: 'events', ...batch };
        if (signal.aborted) return;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      node.gone.removeEventListener('abort', fail);
      discard(subscription);
    }
  }
}
