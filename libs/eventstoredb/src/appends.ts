import type { ResolvedEvent } from '@eventstore/db-client';
import { LogRefused, StoreUnavailable, type AppendResult, type Clock, type Logger, type StreamAppend } from '@nva/ports';
import { Attempts } from './attempts.ts';
import type { BatchAppend, ServerAnswer } from './batch-append.ts';
import type { Connection } from './connection.ts';
import { isFinal } from './errors.ts';
import type { EventFormat, PreparedAppend } from './event-format.ts';
import { Gate } from './gate.ts';
import { MAX_APPENDS_IN_FLIGHT, MAX_BYTES_IN_FLIGHT, type EventStoreDbLimits } from './limits.ts';
import type { LogStream } from './log-stream.ts';
import type { Observed } from './observed.ts';
import { isPosition, placeOf } from './positions.ts';
import { within } from './waiting.ts';

interface Parts {
  readonly connection: Connection;
  readonly batchAppend: BatchAppend;
  readonly format: EventFormat;
  readonly logStream: LogStream;
  readonly observed: Observed;
  readonly limits: EventStoreDbLimits;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Appends over one multiplexed call, many in flight; appends to one stream go one after the other. The server is idempotent: the
 * same event ids at the same exact revision succeed again and change nothing. It does not report that: if an answer's position is
 * not behind everything seen before the append was sent, it is a repeat (`Observed`), and the place of the first attempt is read
 * from the stream.
 */
export class Appends {
  readonly #parts: Parts;
  readonly #queue: Gate;
  readonly #window = new Gate(MAX_APPENDS_IN_FLIGHT);
  readonly #bytes = new Gate(MAX_BYTES_IN_FLIGHT);
  /** The last append under way to each stream. */
  readonly #tails = new Map<string, Promise<unknown>>();
  readonly #running = new Set<Promise<unknown>>();
  #refreshing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#queue = new Gate(parts.limits.queuedEvents);
  }

  append(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    const events = appends.reduce((sum, append) => sum + append.events.length, 0);
    const run = this.#queue.through(events, () => this.#all(appends));
    this.#running.add(run);
    void run.then(
      () => this.#running.delete(run),
      () => this.#running.delete(run),
    );
    return run;
  }

  /** Resolves when every accepted append has its outcome. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #all(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    const prepared = appends.map((append) => this.#parts.format.prepare(append));
    const outcomes = await Promise.allSettled(prepared.map((append) => this.#inOrder(append)));
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason as unknown);
    if (failures.length > 0) throw failures.find(isFinal) ?? failures[0];
    return outcomes.map((outcome) => (outcome as PromiseFulfilledResult<AppendResult>).value);
  }

  #inOrder(append: PreparedAppend): Promise<AppendResult> {
    const { serverStream } = append;
    const before = this.#tails.get(serverStream) ?? Promise.resolve();
    const own = before.then(() => this.#window.through(1, () => this.#bytes.through(append.bytes, () => this.#attempts(append))));
    // After a failed append, the next one is decided by its own expected revision.
    const tail = own.then(
      () => undefined,
      () => undefined,
    );
    this.#tails.set(serverStream, tail);
    void tail.then(() => {
      if (this.#tails.get(serverStream) === tail) this.#tails.delete(serverStream);
    });
    return own;
  }

  async #attempts(append: PreparedAppend): Promise<AppendResult> {
    const { connection, batchAppend, observed, limits } = this.#parts;
    const what = `append to «${append.append.stream}»`;
    const { stream, expectedRevision, events } = { ...append.append, stream: append.serverStream, events: append.events };
    for (const attempts = new Attempts(this.#parts, limits.appendDeadlineMs); ;) {
      try {
        await connection.leader(attempts.leftMs);
        if (observed.stale) await this.#refresh(attempts.leftMs);
        const before = observed.position;
        return await this.#result(
          append,
          before,
          await batchAppend.send({ stream, expectedRevision, events }, attempts.leftMs, what),
          attempts.leftMs,
        );
      } catch (error) {
        if (isFinal(error)) throw error;
        observed.stale = true;
        await attempts.again(error, what);
      }
    }
  }

  async #result(prepared: PreparedAppend, before: number, answer: ServerAnswer, leftMs: number): Promise<AppendResult> {
    const { append } = prepared;
    if (answer.kind === 'wrong-expected-revision')
      return { outcome: 'wrong-expected-revision', expectedRevision: append.expectedRevision, actualRevision: answer.actualRevision };
    const revision = append.expectedRevision + append.events.length;
    const { position } = answer;
    // A stream that was deleted and begun again continues its old revisions.
    if (answer.revision !== BigInt(revision))
      throw new LogRefused(
        `«${append.stream}» stands at ${answer.revision} after an append that ends at ${revision}: it has been deleted on the server before`,
      );
    if (isPosition(position) && Number(position.commit) > before) {
      this.#parts.observed.own(Number(position.commit));
      return { outcome: 'appended', revision, position: Number(position.commit), repeated: false };
    }
    return { outcome: 'appended', revision, position: await this.#standsAt(prepared, leftMs), repeated: true };
  }

  /** Position of the last event of an append that was made before. */
  async #standsAt({ append, serverStream }: PreparedAppend, leftMs: number): Promise<number> {
    const { connection, observed } = this.#parts;
    const node = await connection.leader(leftMs);
    const read = node.client.readStream(serverStream, {
      fromRevision: BigInt(append.expectedRevision + 1),
      maxCount: append.events.length,
      requiresLeader: true,
    });
    const stored: NonNullable<ResolvedEvent['event']>[] = [];
    for await (const resolved of connection.take<ResolvedEvent>(node, read, append.events.length))
      stored.push(...resolved.map(({ event }) => event!));
    connection.assertOpen();
    // A follower may not have it yet.
    if (stored.length < append.events.length)
      throw new StoreUnavailable(`the server took an append to «${append.stream}» for a repeat, and this node does not have it`);
    if (stored.some(({ id }, index) => id !== append.events[index]!.id))
      throw new LogRefused(`the server took an append to «${append.stream}» for a repeat, and other events stand there`);
    const { commit } = placeOf(stored.at(-1)!.position, `event ${stored.at(-1)!.revision} of «${serverStream}»`);
    observed.own(commit);
    return commit;
  }

  /** Several waiting callers share one read. */
  #refresh(leftMs: number): Promise<void> {
    const what = 'reading the end of $all';
    return within(leftMs, what, (this.#refreshing ??= this.#readTail(what).finally(() => (this.#refreshing = undefined))));
  }

  async #readTail(what: string): Promise<void> {
    const { observed, logStream, limits } = this.#parts;
    observed.stale = false;
    try {
      const tail = await within(limits.appendDeadlineMs, what, logStream.tail(limits.appendDeadlineMs));
      const commit = tail?.commitPosition ?? tail?.event?.position.commit;
      if (commit !== undefined) observed.any(Number(commit));
    } catch (error) {
      observed.stale = true;
      throw error;
    }
  }
}
