/** For feeds on simulated brokers, which imitate what this library knows of Kafka. */
export { KnownTopics } from '../known-topics.ts';
export { byShard, shardOf } from '../sharding.ts';
