export { KafkaFeedWriter, type KafkaFeedWriterOptions } from './writer.ts';
export { formatShards, SHARDS } from './sharding.ts';
export { KafkaFeedTransport, type KafkaFeedTransportOptions } from './transport.ts';
export { TOPIC_CONFIG } from './topics.ts';
export type { KafkaConnection, Log, LogLevel } from './options.ts';
