import type { Position as LogPosition } from '@eventstore/db-client';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import services, { type StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams, { type BatchAppendReq, type BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import { LogRefused, NO_STREAM, randomIds, type StreamAppend } from '@nva/ports';
import type { Connection } from './connection.ts';
import type { EncodedEvent } from './event-format.ts';
import { insideOf } from './inside.ts';
import type { Node } from './link.ts';
import { within } from './waiting.ts';

/** One append, with the stream's name on the server. */
export interface ServerAppend extends Pick<StreamAppend, 'stream' | 'expectedRevision'> {
  readonly events: readonly EncodedEvent[];
}

export type ServerAnswer =
  | { readonly kind: 'appended'; readonly revision: bigint; readonly position: LogPosition | undefined }
  | { readonly kind: 'wrong-expected-revision'; readonly actualRevision: number };

type Stream = ReturnType<StreamsClient['batchAppend']>;

/**
 * Appends over one BatchAppend call to the leader, as many at once as the callers ask for; each is answered by its correlation
 * id. The call and its credentials are the client's. The multiplexing is not, because of what the client's own (6.2.1) does when
 * a call breaks. It keeps the appends of all calls and clients of a process in one table. A call that breaks empties the table,
 * and the next answer on any other call ends the process with an exception that nobody can catch. A message that waits in its
 * queue at that moment causes the same by a rejection without a handler. And it sends a deadline by this machine's clock, which
 * fails every append if the server's clock differs; without a deadline, the server's own write timeout applies.
 */
export class BatchAppend {
  readonly #connection: Connection;
  readonly #calls = new WeakMap<object, Promise<Call>>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Throws LogRefused and RangeError for failures that no retry can change, StoreUnavailable if no answer comes in time, and any
   * other error for failures that a retry may change.
   */
  async send(append: ServerAppend, deadlineMs: number, what: string): Promise<ServerAnswer> {
    const id = randomIds.uuid();
    const node = await this.#connection.leader(deadlineMs);
    const call = await within(deadlineMs, what, this.#call(node));
    try {
      return answerIn(await within(deadlineMs, what, call.send(id, requestFor(id, append))), what);
    } catch (error) {
      // A refusal of one append does not name the leader, even if the node knows it.
      if (error instanceof Refused) this.#connection.doubt();
      throw error;
    } finally {
      call.forget(id);
    }
  }

  /** The open call of the node. */
  async #call({ client, gone }: Node): Promise<Call> {
    const inside = insideOf(client);
    for (let known = this.#calls.get(client); known; known = this.#calls.get(client)) {
      const open = await known;
      if (!open.over) return open;
      // If several callers find the call ended, the first one opens another.
      if (this.#calls.get(client) === known) this.#calls.delete(client);
    }
    const call = inside
      .GRPCStreamCreator(services.StreamsClient, 'batchAppend', (current) =>
        current.batchAppend(...inside.callArguments({ requiresLeader: true }, { deadline: Infinity })),
      )()
      .then((stream) => new Call(stream, gone));
    this.#calls.set(client, call);
    call.catch(() => this.#calls.delete(client));
    return call;
  }
}

/** One BatchAppend call and the appends on it that wait for an answer. */
class Call {
  readonly #stream: Stream;
  readonly #waiting = new Map<string, PromiseWithResolvers<BatchAppendResp>>();
  /** Set while the stream accepts no more messages. */
  #room: PromiseWithResolvers<void> | undefined;
  #reason: Error | undefined;

  constructor(stream: Stream, gone: AbortSignal) {
    this.#stream = stream;
    const end = (): void => this.#end(new Error('the node has stopped answering'));
    gone.addEventListener('abort', end, { once: true });
    if (gone.aborted) end();
    stream.on('data', (response: BatchAppendResp) => this.#waiting.get(response.getCorrelationId()!.getString())?.resolve(response));
    stream.on('error', (error: Error) => this.#end(error));
    stream.on('drain', () => this.#open());
    stream.on('end', () => {
      this.#end(new Error('the server has ended the call'));
      stream.destroy();
    });
    stream.on('close', () => this.#end(new Error('the call is closed')));
  }

  get over(): boolean {
    return this.#reason !== undefined;
  }

  async send(id: string, request: BatchAppendReq): Promise<BatchAppendResp> {
    while (this.#room) await this.#room.promise;
    if (this.#reason) throw this.#reason;
    const answer = Promise.withResolvers<BatchAppendResp>();
    this.#waiting.set(id, answer);
    if (!this.#stream.write(request)) this.#room ??= Promise.withResolvers();
    return answer.promise;
  }

  /** A later answer to this append is ignored. */
  forget(id: string): void {
    this.#waiting.delete(id);
  }

  #open(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  #end(reason: Error): void {
    this.#reason ??= reason;
    for (const { reject } of this.#waiting.values()) reject(this.#reason);
    this.#waiting.clear();
    this.#open();
  }
}

function requestFor(id: string, { stream, expectedRevision, events }: ServerAppend): BatchAppendReq {
  const options = new streams.BatchAppendReq.Options();
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream));
  options.setStreamIdentifier(identifier);
  if (expectedRevision === NO_STREAM) options.setNoStream(new shared.Empty());
  else options.setStreamPosition(String(expectedRevision));
  const request = new streams.BatchAppendReq();
  request.setCorrelationId(uuid(id));
  request.setOptions(options);
  for (const event of events) {
    const message = new streams.BatchAppendReq.ProposedMessage();
    message.setId(uuid(event.id));
    message.getMetadataMap().set('type', event.type).set('content-type', 'application/json');
    message.setData(event.data);
    message.setCustomMetadata(event.metadata);
    request.addProposedMessages(message);
  }
  request.setIsFinal(true);
  return request;
}

function uuid(text: string): InstanceType<typeof shared.UUID> {
  const message = new shared.UUID();
  message.setString(text);
  return message;
}

/**
 * The server says what went wrong by the type of the details, not by the code. Any type that is not named here may succeed at the
 * next attempt: not ready, too busy, no leader, and the timeout with which the server answers the repeat of an append that it is
 * still replicating (KurrentDB, StorageWriterService.VerifyCommitChecks).
 */
function answerIn(response: BatchAppendResp, what: string): ServerAnswer {
  const error = response.getError();
  if (!error) {
    const success = response.getSuccess()!;
    const position = success.getPosition();
    return {
      kind: 'appended',
      revision: BigInt(success.getCurrentRevision()),
      position: position && { commit: BigInt(position.getCommitPosition()), prepare: BigInt(position.getPreparePosition()) },
    };
  }
  const details = error.getDetails();
  switch (details?.getTypeName()) {
    case 'event_store.client.WrongExpectedVersion': {
      const wrong = details.unpack(shared.WrongExpectedVersion.deserializeBinary, 'event_store.client.WrongExpectedVersion')!;
      return {
        kind: 'wrong-expected-revision',
        actualRevision: wrong.hasCurrentStreamRevision() ? Number(wrong.getCurrentStreamRevision()) : NO_STREAM,
      };
    }
    case 'event_store.client.StreamDeleted':
      throw new LogRefused(`${what}: the stream has been deleted on the server`);
    case 'event_store.client.AccessDenied':
      throw new LogRefused(`${what}: access denied by the server`);
    case 'event_store.client.MaximumAppendSizeExceeded': {
      const exceeded = details.unpack(shared.MaximumAppendSizeExceeded.deserializeBinary, 'event_store.client.MaximumAppendSizeExceeded')!;
      throw new RangeError(`${what}: the server takes at most ${exceeded.getMaxappendsize()} bytes per append`);
    }
    default:
      throw new Refused(`${what}: ${error.getMessage() || 'refused without a reason'}`);
  }
}

/** One append was refused by a node that may accept the next one. */
class Refused extends Error {}
