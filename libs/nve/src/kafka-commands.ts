import { createSecretKey, type KeyObject } from 'node:crypto';
import { commandKey, commandOf, commandSignature, createCommandCodec, type CommandLine, type CommandOutcome } from '@nva/codec';
import { randomIds, systemClock, type Clock, type CommandRecord, type CommandTransport } from '@nva/ports';
import { systemTimers, type Timers } from './timers.ts';

/** Minimum length of a secret in bytes. */
const MIN_SECRET_BYTES = 32;
/** Commands without an outcome at the same time, including those that wait for another one of their tenant system. */
export const MAX_UNANSWERED_COMMANDS = 10_000;
const RESEND_AFTER_MS = 5_000;
const GIVE_UP_AFTER_MS = 120_000;
const WHOLE_SET = 'keepOnly';
const ID = /^[\x21-\x7e]{1,128}$/;

export interface KafkaCommandsOptions {
  readonly nveId: string;
  /** One of the NVE's keys in COMMAND_KEYS_FILE, decoded. */
  readonly secret: Uint8Array;
  readonly transport: CommandTransport;
  /** A command without an outcome is sent again after this time. 5,000 by default. */
  readonly resendAfterMs?: number;
  /** A command without an outcome is given up after this time. 120,000 by default. */
  readonly giveUpAfterMs?: number;
  readonly clock?: Clock;
  readonly timers?: Timers;
}

export interface CommandIds {
  /** Names the command: a command that was done under this key is not done again within 24 hours. Made automatically by default. */
  readonly idempotencyKey?: string;
  readonly correlationId?: string;
}

/** There was no outcome in time: the command may have been done, or may still be. Sending it again under the same key tells. */
export class CommandUnanswered extends Error {
  override readonly name = 'CommandUnanswered';
  readonly idempotencyKey: string;

  constructor(idempotencyKey: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.idempotencyKey = idempotencyKey;
  }
}

interface Pending {
  readonly idempotencyKey: string;
  readonly record: CommandRecord;
  readonly resolve: (outcome: CommandOutcome) => void;
  readonly reject: (cause: Error) => void;
  cancel: () => void;
  /** The failure of the last attempt, for the final error. */
  failure: unknown;
}

/**
 * Commands of an NVE over Kafka: each is signed, sent, and sent again under the same Idempotency-Key until its outcome is read
 * from the NVE's own topic. Commands about one tenant system go out one after the other: each waits until the one before has its
 * outcome or is given up, so that no repeat overtakes a later command. A statement of all that the NVE has (`keepOnly`) waits for
 * every command before it, and every command after it waits for the statement. While no registrar runs, commands wait in the
 * topic.
 */
export class KafkaCommands {
  readonly #options: KafkaCommandsOptions;
  readonly #secret: KeyObject;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #codec = createCommandCodec();
  readonly #pending = new Map<string, Pending>();
  /** The last unanswered command of each record key. */
  readonly #last = new Map<string, Promise<unknown>>();
  /** The last unanswered statement of all that this NVE has. */
  #wholeSet: Promise<unknown> | undefined;
  #unanswered = 0;
  #opening: Promise<void> | undefined;
  #closed = false;

  /** Throws RangeError for a secret that is too short. */
  constructor(options: KafkaCommandsOptions) {
    if (options.secret.length < MIN_SECRET_BYTES)
      throw new RangeError(`the secret has at least ${MIN_SECRET_BYTES} bytes, received ${options.secret.length}`);
    this.#options = options;
    this.#secret = createSecretKey(options.secret);
    this.#clock = options.clock ?? systemClock;
    this.#timers = options.timers ?? systemTimers;
  }

  /** Number of commands without an outcome. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /**
   * Sends a command in the form of a line of NDJSON. Resolves with its outcome, accepted or refused (`code`). Rejects with
   * CommandUnanswered, with CodecError for a command that has no record (a heartbeat, which goes over REST), and with RangeError
   * beyond a bound.
   */
  async send(
    line: CommandLine,
    { idempotencyKey = randomIds.uuid(), correlationId = randomIds.uuid() }: CommandIds = {},
  ): Promise<CommandOutcome> {
    for (const [name, id] of Object.entries({ idempotencyKey, correlationId }))
      if (!ID.test(id)) throw new RangeError(`${name} is 1 to 128 printable characters, received «${id}»`);
    if (this.#unanswered >= MAX_UNANSWERED_COMMANDS) throw new RangeError(`${MAX_UNANSWERED_COMMANDS} commands have no outcome yet`);
    const value = this.#codec.encode(commandOf(line));
    const key = commandKey(line, this.#options.nveId);
    this.#unanswered++;
    // Records about all tenant systems and records about one have different keys, so the topic gives them no order.
    const ofAll = line.command === WHOLE_SET;
    const before = ofAll ? [...this.#last.values()] : [this.#last.get(key), this.#wholeSet].filter((one) => one !== undefined);
    const outcome = (async () => {
      if (before.length > 0) await Promise.allSettled(before);
      return this.#untilAnswered(this.#signed(key, value, idempotencyKey, correlationId), idempotencyKey);
    })();
    this.#last.set(key, outcome);
    if (ofAll) this.#wholeSet = outcome;
    try {
      return await outcome;
    } finally {
      this.#unanswered--;
      if (this.#last.get(key) === outcome) this.#last.delete(key);
      if (this.#wholeSet === outcome) this.#wholeSet = undefined;
    }
  }

  /** Commands without an outcome reject with CommandUnanswered. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const pending of this.#pending.values()) this.#giveUp(pending, 'the sender was closed');
    await this.#opening?.catch(() => undefined);
    await this.#options.transport.close();
  }

  #signed(key: string, value: Buffer, idempotencyKey: string, correlationId: string): CommandRecord {
    const { nveId, transport } = this.#options;
    const timestamp = this.#clock.wallMs();
    const signature = commandSignature(this.#secret, {
      topic: transport.topic,
      key,
      nveId,
      correlationId,
      idempotencyKey,
      timestamp,
      value,
    }).toString('hex');
    return {
      key,
      value,
      timestamp,
      headers: { 'nve': nveId, signature, 'correlation-id': correlationId, 'idempotency-key': idempotencyKey },
    };
  }

  #untilAnswered(record: CommandRecord, idempotencyKey: string): Promise<CommandOutcome> {
    return new Promise((resolve, reject) => {
      const pending: Pending = { idempotencyKey, record, resolve, reject, cancel: () => undefined, failure: undefined };
      if (this.#closed || this.#pending.has(idempotencyKey))
        return reject(
          new CommandUnanswered(
            idempotencyKey,
            this.#closed ? 'the sender is closed' : 'the key is another command\u2019s that has no outcome yet',
          ),
        );
      this.#pending.set(idempotencyKey, pending);
      void this.#try(pending, this.#clock.monotonicMs() + (this.#options.giveUpAfterMs ?? GIVE_UP_AFTER_MS));
    });
  }

  async #try(pending: Pending, giveUpAtMs: number): Promise<void> {
    const { transport, resendAfterMs = RESEND_AFTER_MS } = this.#options;
    const leftMs = giveUpAtMs - this.#clock.monotonicMs();
    if (leftMs <= 0) return this.#giveUp(pending, 'no outcome came in time');
    pending.cancel = this.#timers.after(Math.min(resendAfterMs, leftMs), () => void this.#try(pending, giveUpAtMs));
    try {
      await this.#open();
      if (this.#pending.get(pending.idempotencyKey) === pending) await transport.send(pending.record);
    } catch (failure) {
      pending.failure = failure;
    }
  }

  /** Outcomes are followed before the first command is sent, so that none is missed. */
  #open(): Promise<void> {
    this.#opening ??= this.#options.transport
      .open((value) => this.#outcome(value))
      .catch((failure: unknown) => {
        this.#opening = undefined;
        throw failure;
      });
    return this.#opening;
  }

  #outcome(value: Buffer): void {
    const outcome = this.#read(value);
    const pending = outcome && this.#pending.get(outcome.idempotencyKey);
    if (!pending) return;
    this.#end(pending);
    pending.resolve(outcome);
  }

  /** null for an outcome that cannot be read: its command is sent again, and given up in the end. */
  #read(value: Buffer): CommandOutcome | null {
    try {
      const message = this.#codec.decode(value);
      return message.type === 'CommandOutcome' ? message.data : null;
    } catch {
      return null;
    }
  }

  #giveUp(pending: Pending, why: string): void {
    if (this.#pending.get(pending.idempotencyKey) !== pending) return;
    this.#end(pending);
    pending.reject(
      new CommandUnanswered(pending.idempotencyKey, `command ${pending.idempotencyKey} for ${pending.record.key}: ${why}`, pending.failure),
    );
  }

  #end(pending: Pending): void {
    pending.cancel();
    this.#pending.delete(pending.idempotencyKey);
  }
}
