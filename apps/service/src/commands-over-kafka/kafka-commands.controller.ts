import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { CommandLine } from '@nva/codec';
import { parseLine } from '@nva/commands';
import { Refusal } from '@nva/identifiers';
import type { Outcome } from '@nva/registrar';
import type { Dispatcher } from '../commands/dispatcher.ts';
import type { CallersLine, CallersSweep, Swept } from '../commands/lines.ts';
import { DISPATCHER } from '../http/providers.ts';
import type { Sender } from './command-reader.ts';

/** The only message of the transporter: commands that were read together, in order. */
export const COMMAND_BATCH = 'commands';

/** A command as the equivalent line of NDJSON, and its sender. */
export interface SentCommand {
  readonly line: CommandLine;
  readonly sender: Sender;
}

/** Commands that NVEs send on Kafka. */
@Controller()
export class KafkaCommandsController {
  readonly #dispatcher: Dispatcher;

  constructor(@Inject(DISPATCHER) dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /**
   * One outcome for each command, in order. A command that cannot be parsed is refused alone; the others are decided and appended
   * together.
   */
  @MessagePattern(COMMAND_BATCH)
  async decide(@Payload() sent: readonly SentCommand[]): Promise<readonly (Outcome | Swept)[]> {
    const outcomes: (Outcome | Swept)[] = [];
    const lines: (CallersLine | CallersSweep)[] = [];
    const places: number[] = [];
    for (const [place, { line, sender }] of sent.entries()) {
      try {
        places[lines.push({ parsed: parseLine(line), json: line, ...sender } as CallersLine | CallersSweep) - 1] = place;
      } catch (error) {
        outcomes[place] = { refusal: error instanceof Refusal ? error : new Refusal('internal', 'the command could not be read') };
      }
    }
    const decided = lines.length === 0 ? [] : await this.#dispatcher.decideHere(lines);
    decided.forEach((outcome, i) => (outcomes[places[i]!] = outcome));
    return outcomes;
  }
}
