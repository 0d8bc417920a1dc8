import { BaseRpcContext } from '@nestjs/microservices';
import { Refusal } from '@nva/identifiers';
import type { Outcome } from '@nva/registrar';
import type { Dispatcher } from '../commands/dispatcher.ts';
import type { CallersLine, CallersSweep, Line, Swept, SweepLine } from '../commands/lines.ts';
import type { Sender } from './command-reader.ts';

interface Asked {
  readonly index: number;
  readonly line: Line | SweepLine;
  readonly sender: Sender;
  readonly settle: (outcome: Outcome | Swept) => void;
}

/**
 * Commands that are handled one by one, as Nest does, and decided and appended together: each handler asks for the decision of its own, and
 * when every one has asked, or ended without, all are decided in the order in which they came.
 */
export class CommandGroup {
  readonly #dispatcher: Dispatcher;
  readonly #asked: Asked[] = [];
  /** Handlers that have neither asked nor ended. */
  readonly #open: Set<number>;

  constructor(dispatcher: Dispatcher, size: number) {
    this.#dispatcher = dispatcher;
    this.#open = new Set(Array.from({ length: size }, (_, index) => index));
  }

  decide(index: number, line: Line | SweepLine, sender: Sender): Promise<Outcome | Swept> {
    if (!this.#open.has(index)) return Promise.resolve({ refusal: new Refusal('internal', 'a command is decided once') });
    return new Promise((settle) => {
      this.#asked.push({ index, line, sender, settle });
      this.ended(index);
    });
  }

  /** The handler will not ask any more. */
  ended(index: number): void {
    if (this.#open.delete(index) && this.#open.size === 0 && this.#asked.length > 0) void this.#submit();
  }

  /** Every handler that has asked gets an outcome, also where deciding itself fails. */
  async #submit(): Promise<void> {
    const asked = this.#asked.toSorted((a, b) => a.index - b.index);
    try {
      const outcomes = await this.#dispatcher.decideHere(
        asked.map(({ line, sender }) => ({ ...line, ...sender }) as CallersLine | CallersSweep),
      );
      asked.forEach(({ settle }, i) => settle(outcomes[i]!));
    } catch (cause) {
      const refusal = new Refusal('internal', `the commands could not be decided: ${(cause as Error).message}`);
      for (const { settle } of asked) settle({ refusal });
    }
  }
}

/** What a handler of commands from Kafka is given beside the command. */
export class KafkaCommandContext extends BaseRpcContext<[CommandGroup, number, Sender]> {
  /** Resolves with the outcome; never rejects. */
  decide(line: Line | SweepLine): Promise<Outcome | Swept> {
    const [group, index, sender] = this.args;
    return group.decide(index, line, sender);
  }
}
