import { setTimeout as sleep } from 'node:timers/promises';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import { createCommandCodec, type CommandLine } from '@nva/codec';
import { Refusal, type RefusalCode } from '@nva/identifiers';
import { CommandConsumer, type OutcomeRecord, type ReceivedCommand } from '@nva/kafka';
import type { Clock, Logger } from '@nva/ports';
import type { Outcome } from '@nva/registrar';
import { isObservable, lastValueFrom } from 'rxjs';
import { CommandGroup, KafkaCommandContext } from './command-group.ts';
import { CommandReader, placeOf, type ReadCommand, type Sender } from './command-reader.ts';
import type { NvaConfig } from '../config/config.ts';
import type { Credentials } from '../access/credentials.ts';
import type { Dispatcher } from '../commands/dispatcher.ts';
import type { Swept } from '../commands/lines.ts';
import { kafkaConnection } from '../config/kafka-connection.ts';
import { outcomeMessage } from './outcome-message.ts';
import { entityOf, type RefusedAttempts } from '../refusals/refused-attempts.ts';

/** Refusals that say nothing of the command. Over REST the caller asks again; here the registrar does, as nobody else reads the record. */
const PASSING: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  'outcome-unknown',
  'overloaded',
  'too-many-waiting',
  'log-unavailable',
  'starting',
  'behind',
]);
/** Between tries, doubled each time. There is no last one: what cannot be decided now stays in the topic. */
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 5_000;

export interface CommandServerOptions {
  readonly config: NvaConfig;
  readonly credentials: Credentials;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly refused: RefusedAttempts;
  readonly failed: (cause: unknown) => void;
}

/**
 * Nest's transporter for commands on Kafka. Nest has one of its own, which takes one message at a time, as text; this one hands every
 * message of a batch to its handler and has what the handlers ask decided and appended together.
 */
export class CommandServer extends Server implements CustomTransportStrategy {
  readonly consumer: CommandConsumer;
  readonly #credentials: Credentials;
  readonly #reader: CommandReader;
  readonly #codec = createCommandCodec();
  readonly #dispatcher: Dispatcher;
  readonly #logger: Logger;
  readonly #refused: RefusedAttempts;

  constructor({ config, credentials, dispatcher, clock, logger, refused, failed }: CommandServerOptions) {
    super();
    this.#credentials = credentials;
    this.#reader = new CommandReader(() => credentials.keys!, this.#codec, clock, logger, refused);
    this.#refused = refused;
    this.#dispatcher = dispatcher;
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

  /** Since the start. */
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

  /** For the record of who tried what. */
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

  #decide(commands: readonly ReadCommand[]): Promise<readonly (Outcome | Swept)[]> {
    const group = new CommandGroup(this.#dispatcher, commands.length);
    return Promise.all(
      commands.map(async ({ content, sender }, index) => {
        try {
          // Between two tries its keys may have been taken back, or its tenants.
          const caller = this.#credentials.keys!.standing(sender.caller.nveId);
          if (caller?.kind !== 'nve')
            return { refusal: new Refusal('unauthenticated', `NVE ${sender.caller.nveId} may send commands no longer`) };
          return content instanceof Refusal
            ? { refusal: content }
            : await this.#call(content, new KafkaCommandContext([group, index, { ...sender, caller }]));
        } finally {
          group.ended(index);
        }
      }),
    );
  }

  async #call(line: CommandLine, context: KafkaCommandContext): Promise<Outcome | Swept> {
    try {
      const handler = this.messageHandlers.get(line.command);
      if (!handler)
        throw new Refusal('unknown-command', 'the command does not go over Kafka', { field: 'command', received: line.command });
      const result: unknown = await handler(line, context);
      return (isObservable(result) ? await lastValueFrom(result) : result) as Outcome | Swept;
    } catch (error) {
      return {
        refusal: error instanceof Refusal ? error : new Refusal('internal', 'the command failed; the NVA\u2019s own log has the reason'),
      };
    }
  }

  #record(sender: Sender, outcome: Outcome | Swept): OutcomeRecord {
    const { caller, correlationId, idempotencyKey } = sender;
    const headers = { 'correlation-id': correlationId, 'idempotency-key': idempotencyKey };
    return { nveId: caller.nveId, key: idempotencyKey, value: this.#codec.encode(outcomeMessage(sender, outcome)), headers };
  }
}

/** Those without a lasting outcome, and every later one of the same key: it may have been decided on what did not come to be. */
function undecided(commands: readonly ReadCommand[], outcomes: ReadonlyMap<ReadCommand, Outcome | Swept>): ReadCommand[] {
  const held = new Set<string>();
  return commands.filter((command) => {
    const outcome = outcomes.get(command)!;
    if ('refusal' in outcome && PASSING.has(outcome.refusal.code)) held.add(command.key);
    return held.has(command.key);
  });
}
