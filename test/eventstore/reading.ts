import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { cancelled, deleted, faultOf, invalidPosition, serverNotReady, type Failure, type Faults } from './faults.ts';
import { caughtUp, checkpoint, confirmation, eventMessage, nameIn, streamNotFound } from './messages.ts';
import type { StandInLog } from './stand-in-log.ts';
import type { Stored } from './stored.ts';

type Call = ServerWritableStream<ReadReq, ReadResp>;

/** Events that a live subscription may lag behind before it falls back to catching up (server: Enumerator.DefaultLiveBufferSize). */
const LIVE_LAG_EVENTS = 32;
/** Events considered at once without a checkpoint if the client sets no window (server: DefaultReadBatchSize). */
const DEFAULT_WINDOW_EVENTS = 32;
const BACKWARDS = 1;

class Gone extends Error {}

/** The server's Read: a stream or `$all`, forwards or backwards, and subscriptions to `$all`. */
export class Reading {
  readonly #log: StandInLog;
  readonly #faults: Faults;

  constructor(log: StandInLog, faults: Faults) {
    this.#log = log;
    this.#faults = faults;
  }

  async serve(call: Call): Promise<void> {
    const failed = (await this.#serve(call).catch((error: unknown) => {
      if (error instanceof Gone) return undefined;
      throw error;
    })) as Failure | undefined;
    if (failed) call.emit('error', failed);
    else call.end();
  }

  async #serve(call: Call): Promise<Failure | undefined> {
    const fault = faultOf(this.#faults, call.metadata);
    if (fault) return fault;
    const options = call.request.getOptions()!;
    if (options.hasStream()) return this.#stream(call);
    return options.hasSubscription() ? this.#subscription(call) : this.#all(call);
  }

  async #stream(call: Call): Promise<Failure | undefined> {
    const options = call.request.getOptions()!;
    const name = nameIn(options.getStream()!.getStreamIdentifier());
    if (this.#log.streams.isTombstoned(name)) return deleted(name);
    const events = this.#log.streams.visible(name);
    if (!events) {
      await send(call, streamNotFound(name));
      return undefined;
    }
    const revision = options.getStream()!.hasRevision()
      ? Number(options.getStream()!.getRevision())
      : options.getStream()!.hasEnd()
        ? Infinity
        : 0;
    const backwards = Number(options.getReadDirection()) === BACKWARDS;
    const chosen = backwards
      ? events.filter((event) => event.revision <= revision).toReversed()
      : events.slice(Math.max(0, revision - (events[0]?.revision ?? 0)));
    for (const event of chosen.slice(0, Number(options.getCount()))) await send(call, eventMessage(event));
    return undefined;
  }

  /** Forwards from a position on, itself included; backwards what stands before it. */
  async #all(call: Call): Promise<Failure | undefined> {
    const options = call.request.getOptions()!;
    const { records } = this.#log;
    const backwards = Number(options.getReadDirection()) === BACKWARDS;
    const from = options.getAll()!;
    let index = from.hasEnd() ? records.length : from.hasStart() ? 0 : indexAt(records, Number(from.getPosition()!.getCommitPosition()));
    if (index < 0) return invalidPosition();
    const count = Number(options.getCount());
    for (let sent = 0; sent < count; sent++) {
      const record = records[backwards ? --index : index++];
      if (!record) break;
      await send(call, eventMessage(record));
    }
    return undefined;
  }

  /**
   * Follows Enumerator.AllSubscriptionFiltered of KurrentDB: confirmation; the past after the position, a checkpoint each
   * interval and one at the end; caught-up; then what comes. One that lags too far behind goes back to catching up.
   */
  async #subscription(call: Call): Promise<Failure | undefined> {
    const options = call.request.getOptions()!;
    const from = options.getAll()!;
    const { records } = this.#log;
    const filter = options.getFilter();
    const prefixes = filter?.getStreamIdentifier()?.getPrefixList() ?? [''];
    const allowed = ({ stream }: Stored): boolean => prefixes.some((prefix) => stream.startsWith(prefix));
    const interval = (filter?.getMax() || DEFAULT_WINDOW_EVENTS) * (filter?.getCheckpointintervalmultiplier() || 1);
    let index = from.hasEnd()
      ? records.length
      : from.hasStart()
        ? 0
        : indexAt(records, Number(from.getPosition()!.getCommitPosition())) + 1;
    if (index === 0 && from.hasPosition() && Number(from.getPosition()!.getCommitPosition()) > 0) return invalidPosition();
    await send(call, confirmation(randomUUID()));
    let considered = 0;
    let sent = 0;
    let live = false;
    for (;;) {
      while (index < records.length) {
        if (live && records.length - index > LIVE_LAG_EVENTS) live = false;
        const record = records[index++]!;
        if (allowed(record)) {
          if (this.#drops(sent)) return this.#drop();
          if (this.#faults.eventDelayMs > 0) await delay(this.#faults.eventDelayMs);
          await send(call, eventMessage(record));
          sent++;
          this.#faults.sentEvents++;
        }
        if (++considered % interval === 0 && filter) await send(call, checkpoint(record.position));
      }
      if (!live) {
        if (filter && index > 0) await send(call, checkpoint(records[index - 1]!.position));
        await send(call, caughtUp());
        live = true;
      }
      if (this.#drops(sent)) return this.#drop();
      await this.#written(call, index);
    }
  }

  #drops(sent: number): boolean {
    return this.#faults.drops > 0 && sent === this.#faults.dropAfterEvents && this.#faults.drops-- > 0;
  }

  #drop(): Failure | undefined {
    const { dropWith } = this.#faults;
    return dropWith === 'end' ? undefined : dropWith === 'cancelled' ? cancelled() : serverNotReady();
  }

  /** Resolves when there is more than `index` records; throws once the client has gone. */
  async #written(call: Call, index: number): Promise<void> {
    while (this.#log.records.length === index) {
      if (call.cancelled) throw new Gone();
      await new Promise<void>((resolve) => {
        const done = (): void => {
          end();
          call.off('cancelled', done);
          resolve();
        };
        const end = this.#log.onWritten(done);
        call.on('cancelled', done);
      });
    }
  }
}

/** Resolves when the client takes more: what it does not read stays here. Throws once it has gone. */
async function send(call: Call, response: ReadResp): Promise<void> {
  if (call.cancelled) throw new Gone();
  if (call.write(response)) return;
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  call.on('cancelled', leave);
  try {
    await once(call, 'drain', { signal: gone.signal });
  } catch {
    throw new Gone();
  } finally {
    call.off('cancelled', leave);
  }
}

/** Index of the record at a position, -1 if no record begins there. */
function indexAt(records: readonly Stored[], position: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle]!.position < position) low = middle + 1;
    else high = middle;
  }
  if (position === 0) return 0;
  return records[low]?.position === position ? low : -1;
}
