import { Module } from '@nestjs/common';
import { KafkaCommandsController } from './kafka-commands.controller.ts';

/** The part of the role `registrar` that takes commands from Kafka. Loaded only if it is switched on. */
@Module({ controllers: [KafkaCommandsController] })
export class KafkaCommandsModule {}

export { CommandServer } from './command-server.ts';
