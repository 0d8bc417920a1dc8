import { CodecError, commandKey, lineOf, type CommandCodec, type CommandLine } from '@nva/codec';
import { cut, Refusal } from '@nva/identifiers';
import type { ReceivedCommand } from '@nva/kafka';
import type { Clock, Logger } from '@nva/ports';
import { IDEMPOTENCY_WINDOW_MS, type Caller } from '@nva/registrar';
import type { CommandKeys } from '../access/command-keys.ts';
import { MAX_LINE_BYTES } from '../routes/ndjson.ts';
import type { RefusedAttempts } from '../refusals/refused-attempts.ts';

/** How far the clock of an NVE may be ahead. */
export const MAX_CLOCK_SKEW_MS = 300_000;
/**
 * Maximum age of a command. A key is remembered for IDEMPOTENCY_WINDOW_MS from the execution of its command, and the execution
 * may be up to MAX_CLOCK_SKEW_MS before the command's own timestamp. So a command repeated within this age still finds its key.
 */
export const MAX_COMMAND_AGE_MS = IDEMPOTENCY_WINDOW_MS - MAX_CLOCK_SKEW_MS;
const ID = /^[\x21-\x7e]{1,128}$/;

/** An NVE with proven identity, and the ids under which it waits for an outcome. */
export interface Sender {
  readonly caller: Caller & { readonly kind: 'nve' };
  readonly correlationId: string;
  readonly idempotencyKey: string;
}

export interface ReadCommand {
  readonly sender: Sender;
  /** The record's key. */
  readonly key: string;
  /** The command as a line of NDJSON, with its ids; or the reason why it is not a valid command. */
  readonly content: CommandLine | Refusal;
}

/** Authenticates and decodes records of the topic of commands. Never throws. */
export class CommandReader {
  readonly counters = { unauthenticated: 0, malformed: 0 };
  readonly #keys: () => CommandKeys;
  readonly #codec: CommandCodec;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #refused: Pick<RefusedAttempts, 'note'>;

  constructor(keys: () => CommandKeys, codec: CommandCodec, clock: Clock, logger: Logger, refused: Pick<RefusedAttempts, 'note'>) {
    this.#refused = refused;
    this.#keys = keys;
    this.#codec = codec;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** null if the record is not proven to be from an NVE: it is counted and recorded as a refused attempt, and gets no outcome. */
  read(record: ReceivedCommand): ReadCommand | null {
    const authentic = this.#authentic(record);
    if (typeof authentic === 'string') {
      this.counters.unauthenticated++;
      const {
        headers: { 'nve': claims, 'correlation-id': correlationId },
        ...place
      } = record;
      const refusal = new Refusal('unauthenticated', `a command on Kafka: ${authentic}`);
      this.#refused.note({
        caller: null,
        ...(claims !== undefined && { claims }),
        address: null,
        record: placeOf(place),
        command: null,
        entity: null,
        correlationId: correlationId === undefined ? null : cut(correlationId),
        refusal,
      });
      return null;
    }
    const { sender, key, value } = authentic;
    try {
      return { sender, key, content: this.#line(record, key, value, sender) };
    } catch (error) {
      const refusal =
        error instanceof Refusal
          ? error
          : new Refusal('malformed-body', `the value is no command: ${(error as Error).message}`, { field: '' });
      if (error instanceof CodecError) {
        this.counters.malformed++;
        this.#logger.warn('a command on Kafka cannot be decoded', { ...whereabouts(record), err: error });
      }
      return { sender, key, content: refusal };
    }
  }

  #authentic({ topic, timestamp, key, headers, value }: ReceivedCommand): { sender: Sender; key: string; value: Buffer } | string {
    const { 'nve': nveId, signature, 'correlation-id': correlationId, 'idempotency-key': idempotencyKey } = headers;
    if (key === null || value === null) return 'it has no key or no value';
    if (nveId === undefined || signature === undefined || correlationId === undefined || idempotencyKey === undefined)
      return 'a header is missing: nve, signature, correlation-id, idempotency-key';
    if (!ID.test(correlationId) || !ID.test(idempotencyKey)) return 'correlation-id and idempotency-key are 1 to 128 printable characters';
    const caller = this.#keys().callerOf({ topic, key, nveId, correlationId, idempotencyKey, timestamp, value }, signature);
    if (caller?.kind !== 'nve') return 'the signature is not that of the NVE';
    return { sender: { caller, correlationId, idempotencyKey }, key, value };
  }

  #line({ timestamp }: ReceivedCommand, key: string, value: Buffer, { caller, correlationId, idempotencyKey }: Sender): CommandLine {
    const ageMs = this.#clock.wallMs() - timestamp;
    if (ageMs > MAX_COMMAND_AGE_MS) throw expired(`the command is older than ${MAX_COMMAND_AGE_MS / 1_000} s`, timestamp);
    if (ageMs < -MAX_CLOCK_SKEW_MS) throw expired(`the command is dated more than ${MAX_CLOCK_SKEW_MS / 1_000} s ahead`, timestamp);
    if (value.length > MAX_LINE_BYTES)
      throw new Refusal('body-too-large', `a command has at most ${MAX_LINE_BYTES} bytes`, { field: '', received: value.length });
    const message = this.#codec.decode(value);
    if (message.type === 'CommandOutcome') throw new CodecError('it is an outcome');
    const line = lineOf(message);
    const due = commandKey(line, caller.nveId);
    if (key !== due)
      throw new Refusal(
        'out-of-range',
        'the key of the record is the tenant system\u2019s id, of a passing the taker\u2019s, or nve/<nveId> where there is none',
        { field: 'key', received: key, expected: due },
      );
    return { ...line, correlationId, idempotencyKey };
  }
}

const expired = (message: string, timestamp: number): Refusal =>
  new Refusal('command-expired', message, { field: 'timestamp', received: timestamp });

export const placeOf = ({ topic, partition, offset }: Pick<ReceivedCommand, 'topic' | 'partition' | 'offset'>) => ({
  topic,
  partition,
  offset,
});

const whereabouts = ({ topic, partition, offset, headers }: ReceivedCommand): Record<string, unknown> => ({
  topic,
  partition,
  offset,
  nve: headers['nve']?.slice(0, 128),
  correlationId: headers['correlation-id']?.slice(0, 128),
});
