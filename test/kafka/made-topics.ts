import type { Admin, ITopicConfig } from 'kafkajs';
import { until } from '@nva/processes';

/**
 * Made, and told by brokers with a leader for each partition. kafkajs's own waiting throws where a broker has not heard of the
 * topic from the controller yet.
 */
export async function makeTopics(admin: Admin, topics: ITopicConfig[]): Promise<void> {
  await admin.createTopics({ topics, waitForLeaders: false });
  const names = topics.map(({ topic }) => topic);
  await until(`the broker tells of ${names.join(', ')}`, async () => {
    try {
      const { topics: told } = await admin.fetchTopicMetadata({ topics: names });
      return told.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))
        ? null
        : 'no leader yet';
    } catch (failure) {
      const { type } = failure as { readonly type?: string };
      if (type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'LEADER_NOT_AVAILABLE') return type;
      throw failure;
    }
  });
}
