import { Catch, Controller, UseFilters, type RpcExceptionFilter } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { kafkaCommandNames, type CommandLine } from '@nva/codec';
import { parseLine } from '@nva/commands';
import { Refusal } from '@nva/identifiers';
import type { Outcome } from '@nva/registrar';
import { throwError, type Observable } from 'rxjs';
import type { KafkaCommandContext } from './command-group.ts';
import type { Line, Swept, SweepLine } from '../commands/lines.ts';

/** A refusal is the transporter's to answer, as it is. */
@Catch(Refusal)
export class RefusalRpcFilter implements RpcExceptionFilter<Refusal> {
  catch(refusal: Refusal): Observable<never> {
    return throwError(() => refusal);
  }
}

/** Commands that NVEs send on Kafka, as the lines of NDJSON that they could have been. */
@Controller()
@UseFilters(RefusalRpcFilter)
export class KafkaCommandsController {
  @MessagePattern([...kafkaCommandNames])
  decide(@Payload() line: CommandLine, @Ctx() context: KafkaCommandContext): Promise<Outcome | Swept> {
    return context.decide({ parsed: parseLine(line), json: line } as Line | SweepLine);
  }
}
