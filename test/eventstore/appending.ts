import { setTimeout as delay } from 'node:timers/promises';
import { status, type sendUnaryData, type ServerDuplexStream, type ServerReadableStream } from '@grpc/grpc-js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { AppendReq, AppendResp, BatchAppendReq, BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import { deleted, failure, faultOf, maxAppendSizeExceeded, noLeaderInfo, serverNotReady, serverTooBusy, type Faults } from './faults.ts';
import {
  appended,
  idIn,
  maximumAppendSizeExceeded,
  nameIn,
  refused,
  streamDeleted,
  timedOut,
  unnamed,
  wrongExpectedVersion,
} from './messages.ts';
import type { StandInLog } from './stand-in-log.ts';
import { NO_STREAM, type Expected, type Proposed } from './stored.ts';
import { systemClock } from '@nva/ports';

interface Pending {
  readonly stream: string;
  readonly expected: Expected;
  readonly events: Proposed[];
  bytes: number;
}

type ProposedMessage = Pick<BatchAppendReq.ProposedMessage, 'getId' | 'getMetadataMap' | 'getData_asU8' | 'getCustomMetadata_asU8'>;

/** What a node that cannot take appends now says of each (KurrentDB, Streams.BatchAppend, ConvertMessage). */
const REFUSED_ALONE: ReadonlySet<string> = new Set([noLeaderInfo().details, serverTooBusy().details]);

/** The server's BatchAppend, many appends on one stream, and Append, one on a stream of its own. */
export class Appending {
  readonly #log: StandInLog;
  readonly #faults: Faults;
  readonly #maxAppendBytes: number;

  constructor(log: StandInLog, faults: Faults, maxAppendBytes: number) {
    this.#log = log;
    this.#faults = faults;
    this.#maxAppendBytes = maxAppendBytes;
  }

  /**
   * Follows Streams.BatchAppend of KurrentDB: an append is complete with its final message; whatever goes wrong with one leaves the
   * others alone.
   */
  batch(call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>): void {
    const pending = new Map<string, Pending>();
    let open = 0;
    let ended = false;
    let broken = false;
    const close = (): void => {
      if (ended && open === 0 && !broken) call.end();
    };
    const fail = (error: object): void => {
      if (broken) return;
      broken = true;
      call.emit('error', error);
    };
    const answer = (response: BatchAppendResp): void => {
      if (broken || call.cancelled) return;
      call.write(response);
    };
    call.on('data', (request: BatchAppendReq) => {
      const id = idIn(request.getCorrelationId()!);
      const fault = faultOf(this.#faults, call.metadata);
      // One that names no leader is of this append alone; one that names the leader ends the call.
      if (fault && REFUSED_ALONE.has(fault.details)) return answer(refused(id, '', fault.details, unnamed()));
      if (fault) return fail(fault);
      const options = request.getOptions();
      if (options) {
        const stream = nameIn(options.getStreamIdentifier());
        const deadline = options.getDeadline();
        if (deadline && deadline.toDate().getTime() <= systemClock.wallMs()) return answer(refused(id, stream, 'Timeout', timedOut()));
        pending.set(id, { stream, expected: expectedIn(options), events: [], bytes: 0 });
      }
      const append = pending.get(id);
      if (!append) return;
      this.#collect(append, request.getProposedMessagesList());
      if (append.bytes > this.#maxAppendBytes) {
        pending.delete(id);
        return answer(refused(id, append.stream, 'MaximumAppendSizeExceeded', maximumAppendSizeExceeded(this.#maxAppendBytes)));
      }
      if (!request.getIsFinal()) return;
      pending.delete(id);
      if (this.#faults.notReady > 0) {
        this.#faults.notReady--;
        return answer(refused(id, append.stream, 'Server Is Not Ready', unnamed()));
      }
      open++;
      const pauseMs = this.#faults.answerDelayMs;
      void this.#apply(id, append).then(async (response) => {
        if (pauseMs > 0) await delay(pauseMs);
        open--;
        if (this.#faults.loseAnswers > 0) {
          this.#faults.loseAnswers--;
          fail(serverNotReady());
        } else if (this.#faults.withholdAnswers > 0) this.#faults.withholdAnswers--;
        else if (this.#faults.timeouts > 0) {
          this.#faults.timeouts--;
          answer(refused(id, append.stream, 'Timeout', timedOut()));
        } else answer(response);
        close();
      }, fail);
    });
    call.on('end', () => {
      ended = true;
      close();
    });
    call.on('error', () => (broken = true));
    call.on('cancelled', () => (broken = true));
  }

  single(call: ServerReadableStream<AppendReq, AppendResp>, callback: sendUnaryData<AppendResp>): void {
    let append: Pending | undefined;
    call.on('data', (request: AppendReq) => {
      const options = request.getOptions();
      if (options) append = { stream: nameIn(options.getStreamIdentifier()), expected: expectedIn(options), events: [], bytes: 0 };
      else this.#collect(append!, [request.getProposedMessage()!]);
    });
    call.on('end', () => {
      const fault = faultOf(this.#faults, call.metadata);
      if (fault) return callback(fault);
      if (append!.bytes > this.#maxAppendBytes) return callback(maxAppendSizeExceeded(this.#maxAppendBytes));
      void this.#log.append(append!.stream, append!.expected, append!.events).then(
        (outcome) => {
          const response = new streams.AppendResp();
          if (outcome.kind === 'deleted') return callback(deleted(append!.stream));
          if (outcome.kind === 'wrong-version') {
            const wrong = new streams.AppendResp.WrongExpectedVersion();
            if (outcome.actual >= 0) wrong.setCurrentRevision(String(outcome.actual));
            if (typeof outcome.expected === 'number' && outcome.expected >= 0) wrong.setExpectedRevision(String(outcome.expected));
            response.setWrongExpectedVersion(wrong);
          } else {
            const position = new streams.AppendResp.Position();
            position.setCommitPosition(String(outcome.position));
            position.setPreparePosition(String(outcome.position));
            const success = new streams.AppendResp.Success();
            success.setCurrentRevision(String(outcome.revision));
            success.setPosition(position);
            response.setSuccess(success);
          }
          callback(null, response);
        },
        (error: Error) => callback(failure(status.UNKNOWN, error.message)),
      );
    });
  }

  async #apply(id: string, { stream, expected, events }: Pending): Promise<BatchAppendResp> {
    const outcome = await this.#log.append(stream, expected, events);
    switch (outcome.kind) {
      case 'deleted':
        return refused(id, stream, 'StreamDeleted', streamDeleted(stream));
      case 'wrong-version':
        return refused(id, stream, 'WrongExpectedVersion', wrongExpectedVersion(outcome.expected, outcome.actual));
      default:
        return appended(id, stream, outcome.revision, outcome.position);
    }
  }

  #collect(append: Pending, messages: readonly ProposedMessage[]): void {
    for (const message of messages) {
      const data = Buffer.from(message.getData_asU8());
      const metadata = Buffer.from(message.getCustomMetadata_asU8());
      const type = message.getMetadataMap().get('type')!;
      append.events.push({
        id: idIn(message.getId()!),
        type,
        isJson: message.getMetadataMap().get('content-type') === 'application/json',
        data,
        metadata,
      });
      // As Event.SizeOnDisk counts: the type is held in UTF-16.
      append.bytes += data.length + metadata.length + 2 * type.length;
    }
  }
}

interface ExpectedOptions {
  hasNoStream(): boolean;
  hasAny(): boolean;
  hasStreamExists(): boolean;
  getStreamPosition?(): string;
  getRevision?(): string;
}

function expectedIn(options: ExpectedOptions): Expected {
  if (options.hasNoStream()) return NO_STREAM;
  if (options.hasAny()) return 'any';
  if (options.hasStreamExists()) return 'stream-exists';
  return Number(options.getStreamPosition?.() ?? options.getRevision!());
}
