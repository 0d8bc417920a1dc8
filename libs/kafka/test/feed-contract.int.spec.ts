import { feedContract } from '../../../test/contract/feed-contract.ts';
import { KafkaFeedUnderTest } from './kafka-feed.ts';

feedContract('Kafka', () => KafkaFeedUnderTest.make());
