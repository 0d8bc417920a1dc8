export { KafkaFeedWriter, type KafkaFeedWriterOptions } from './writer.ts';
export { formatShards, SHARDS } from './sharding.ts';
export { KafkaFeedTransport, type KafkaFeedTransportOptions } from './transport.ts';
export { TOPIC_CONFIG } from './topics.ts';
export type { KafkaConnection, Log, LogLevel } from './options.ts';
export { CommandConsumer, MAX_COMMANDS_PER_GROUP, type CommandConsumerOptions } from './command-consumer.ts';
export type { OutcomeRecord, ReceivedCommand } from './command-format.ts';
export { DEFAULT_COMMAND_PARTITIONS } from './command-topics.ts';
export { KafkaCommandTransport, type KafkaCommandTransportOptions } from './command-transport.ts';
