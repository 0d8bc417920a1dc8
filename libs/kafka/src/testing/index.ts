/** For feeds on simulated brokers, which imitate what this library knows of Kafka. */
export { KnownTopics, type Extent } from '../known-topics.ts';
export { byShard, shardOf } from '../sharding.ts';
export type { TopicDetails } from '../topic-details.ts';
