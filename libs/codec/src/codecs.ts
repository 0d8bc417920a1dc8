import type { CommandMessage, FeedValue, NvaEvent } from './generated/types.ts';
import { commandSchemas, eventSchemas, recordSchemas } from './generated/schemas.ts';
import { SingleObjectCodec } from './single-object.ts';

export type EventCodec = SingleObjectCodec<NvaEvent>;
export type RecordCodec = SingleObjectCodec<FeedValue>;
export type CommandCodec = SingleObjectCodec<CommandMessage>;

/** A codec per log or feed: what one of them has been taught says nothing about another. */
export const createEventCodec = (): EventCodec => new SingleObjectCodec<NvaEvent>(eventSchemas);
export const createRecordCodec = (): RecordCodec => new SingleObjectCodec<FeedValue>(recordSchemas);
export const createCommandCodec = (): CommandCodec => new SingleObjectCodec<CommandMessage>(commandSchemas);
