import { Module } from '@nestjs/common';
import { KafkaCommandsController } from './kafka-commands.controller.ts';

/** The part of the role `registrar` that takes commands from Kafka. It is loaded only where it is asked for. */
@Module({ controllers: [KafkaCommandsController] })
export class KafkaCommandsModule {}

export { CommandServer } from './command-server.ts';
