import type { Kafka } from 'kafkajs';
import type { ClusterLayout } from './fetch-cycles.ts';

export async function readLayout(client: Kafka, topics: string[]): Promise<ClusterLayout> {
  const admin = client.admin();
  try {
    await admin.connect();
    const [{ brokers }, metadata] = [await admin.describeCluster(), await admin.fetchTopicMetadata({ topics })];
    return {
      leaders: new Map(metadata.topics.map(({ name, partitions }) => [name, partitions[0]?.leader ?? -1])),
      nodes: new Map(brokers.map(({ nodeId, host, port }) => [`${host}:${port}`, nodeId])),
    };
  } finally {
    await admin.disconnect();
  }
}
