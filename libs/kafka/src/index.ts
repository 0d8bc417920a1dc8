export { KafkaFeedWriter, type KafkaFeedWriterOptions } from './writer.ts';
export { DEFAULT_PRINCIPAL, KafkaFeedAccess, type KafkaFeedAccessOptions } from './access-rights.ts';
export { formatShards, SHARDS } from './sharding.ts';
export { KafkaFeedTransport, type KafkaFeedTransportOptions } from './transport.ts';
export { TOPIC_CONFIG } from './topics.ts';
export type { KafkaConnection, KafkaSasl, KafkaTls, Log, LogLevel } from './options.ts';
