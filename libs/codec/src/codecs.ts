import type { CommandMessage, FeedValue, NvaEvent } from './generated/types.ts';
import { commandSchemas, eventSchemas, recordSchemas } from './generated/schemas.ts';
import { SingleObjectCodec } from './single-object.ts';

export type EventCodec = SingleObjectCodec<NvaEvent>;
export type RecordCodec = SingleObjectCodec<FeedValue>;
export type CommandCodec = SingleObjectCodec<CommandMessage>;

/** One codec per log or feed: the schemas that one of them was taught say nothing about another. */
export const createEventCodec = (): EventCodec => new SingleObjectCodec<NvaEvent>(eventSchemas);
export const createRecordCodec = (): RecordCodec => new SingleObjectCodec<FeedValue>(recordSchemas);
export const createCommandCodec = (): CommandCodec => new SingleObjectCodec<CommandMessage>(commandSchemas);
