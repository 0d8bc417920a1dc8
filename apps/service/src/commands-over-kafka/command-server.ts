import { setTimeout as sleep } from 'node:timers/promises';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import { createCommandCodec } from '@nva/codec';
import { Refusal, type RefusalCode } from '@nva/identifiers';
import { CommandConsumer, type OutcomeRecord, type ReceivedCommand } from '@nva/kafka';
import type { Clock, Logger } from '@nva/ports';
import type { Outcome } from '@nva/registrar';
import { isObservable, lastValueFrom } from 'rxjs';
import { CommandReader, placeOf, type ReadCommand, type Sender } from './command-reader.ts';
import type { NvaConfig } from '../config/config.ts';
import type { Credentials } from '../access/credentials.ts';
import type { Swept } from '../commands/lines.ts';
import { COMMAND_BATCH, type SentCommand } from './kafka-commands.controller.ts';
import { kafkaConnection } from '../config/kafka-connection.ts';
import { outcomeMessage } from './outcome-message.ts';
import { entityOf, type RefusedAttempts } from '../refusals/refused-attempts.ts';

/**
 * Refusals that say nothing about the command. Over REST the caller repeats the command; here the registrar does, because nobody
 * else reads the record.
 */
const PASSING: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  'outcome-unknown',
  'overloaded',
  'too-many-waiting',
  'log-unavailable',
  'starting',
  'behind',
]);
/**
 * Wait between two attempts, doubled each time. There is no last attempt: a command that cannot be decided now stays in the
 * topic.
 */
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 5_000;

export interface CommandServerOptions {
  readonly config: NvaConfig;
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly refused: RefusedAttempts;
  readonly failed: (cause: unknown) => void;
}

/**
 * Nest's transporter for commands on Kafka. Nest's own transporter takes one message at a time, as text. This one authenticates
 * and decodes a batch of records and hands it to its handler as one message, so that the batch is decided and appended together.
 */
export class CommandServer extends Server implements CustomTransportStrategy {
  readonly consumer: CommandConsumer;
  readonly #credentials: Credentials;
  readonly #reader: CommandReader;
  readonly #codec = createCommandCodec();
  readonly #logger: Logger;
  readonly #refused: RefusedAttempts;

  constructor({ config, credentials, clock, logger, refused, failed }: CommandServerOptions) {
    super();
    this.#credentials = credentials;
    this.#reader = new CommandReader(() => credentials.keys!, this.#codec, clock, logger, refused);
    this.#refused = refused;
    this.#logger = logger;
    this.consumer = new CommandConsumer({
      ...kafkaConnection(config, clock, logger),
      partitions: config.kafkaCommandPartitions,
      get nveIds() {
        return credentials.keys!.nveIds;
      },
      codec: this.#codec,
      handle: (records, alive) => this.#handle(records, alive),
      failed,
    });
    credentials.onChange(() => this.consumer.renew());
  }

  /** Counts since the start. */
  get counters(): CommandConsumer['counters'] & CommandReader['counters'] {
    return { ...this.consumer.counters, ...this.#reader.counters };
  }

  listen(callback: () => void): void {
    this.consumer.start();
    callback();
  }

  close(): Promise<void> {
    return this.consumer.stop();
  }

  on(): never {
    throw new Error('there are no events of this transporter');
  }

  unwrap<T>(): T {
    return this.consumer as T;
  }

  async #handle(records: readonly ReceivedCommand[], alive: () => void): Promise<readonly (OutcomeRecord | null)[]> {
    const read = records.map((record) => this.#reader.read(record));
    const outcomes = new Map<ReadCommand, Outcome | Swept>();
    let waiting = read.filter((command) => command !== null);
    for (let pauseMs = FIRST_RETRY_MS; waiting.length > 0; pauseMs = Math.min(2 * pauseMs, MAX_RETRY_MS)) {
      alive();
      const decided = await this.#decide(waiting);
      waiting.forEach((command, i) => outcomes.set(command, decided[i]!));
      waiting = undecided(waiting, outcomes);
      if (waiting.length === 0) break;
      this.#logger.warn('commands from Kafka could not be decided yet', { commands: waiting.length, retryMs: pauseMs });
      await sleep(pauseMs);
    }
    read.forEach((command, i) => command && this.#note(records[i]!, command, outcomes.get(command)!));
    return read.map((command) => command && this.#record(command.sender, outcomes.get(command)!));
  }

  /** Records a refused attempt. */
  #note(record: ReceivedCommand, { sender: { caller, correlationId }, content }: ReadCommand, outcome: Outcome | Swept): void {
    if (!('refusal' in outcome)) return;
    const line = content instanceof Refusal ? null : content;
    this.#refused.note({
      caller,
      address: null,
      record: placeOf(record),
      command: line?.command ?? null,
      entity: line && entityOf(line),
      correlationId,
      refusal: outcome.refusal,
    });
  }

  async #decide(commands: readonly ReadCommand[]): Promise<readonly (Outcome | Swept)[]> {
    const outcomes: (Outcome | Swept)[] = [];
    const sent: SentCommand[] = [];
    const places: number[] = [];
    for (const [place, { content, sender }] of commands.entries()) {
      // Between two attempts, the NVE's keys or tenants may have been withdrawn.
      const caller = this.#credentials.keys!.standing(sender.caller.nveId);
      if (caller?.kind !== 'nve')
        outcomes[place] = { refusal: new Refusal('unauthenticated', `NVE ${sender.caller.nveId} may send commands no longer`) };
      else if (content instanceof Refusal) outcomes[place] = { refusal: content };
      else places[sent.push({ line: content, sender: { ...sender, caller } }) - 1] = place;
    }
    if (sent.length > 0) (await this.#call(sent)).forEach((outcome, i) => (outcomes[places[i]!] = outcome));
    return outcomes;
  }

  async #call(sent: readonly SentCommand[]): Promise<readonly (Outcome | Swept)[]> {
    try {
      const result: unknown = await this.messageHandlers.get(COMMAND_BATCH)!(sent);
      return (isObservable(result) ? await lastValueFrom(result) : result) as readonly (Outcome | Swept)[];
    } catch (cause) {
      this.#logger.error('commands from Kafka could not be handled', { commands: sent.length, err: cause });
      return sent.map(() => ({ refusal: new Refusal('internal', 'the command failed; the NVA\u2019s own log has the reason') }));
    }
  }

  #record(sender: Sender, outcome: Outcome | Swept): OutcomeRecord {
    const { caller, correlationId, idempotencyKey } = sender;
    const headers = { 'correlation-id': correlationId, 'idempotency-key': idempotencyKey };
    return { nveId: caller.nveId, key: idempotencyKey, value: this.#codec.encode(outcomeMessage(sender, outcome)), headers };
  }
}

/**
 * The commands without a lasting outcome, and every later command of the same key, whose decision may rest on an earlier command
 * that failed.
 */
function undecided(commands: readonly ReadCommand[], outcomes: ReadonlyMap<ReadCommand, Outcome | Swept>): ReadCommand[] {
  const held = new Set<string>();
  return commands.filter((command) => {
    const outcome = outcomes.get(command)!;
    if ('refusal' in outcome && PASSING.has(outcome.refusal.code)) held.add(command.key);
    return held.has(command.key);
  });
}
