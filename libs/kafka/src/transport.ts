import { createRecordCodec, type Membership } from '@nva/codec';
import {
  FeedRefused,
  feedKey,
  systemClock,
  type Clock,
  type FeedCursor,
  type FeedName,
  type FeedSink,
  type FeedSubscription,
  type FeedTransport,
} from '@nva/ports';
import { createClient } from './client.ts';
import { ClusterFollower } from './cluster-follower.ts';
import { FollowedFeed } from './followed-feed.ts';
import { DEFAULT_PREFIX, silent, type KafkaClientOptions, type Log } from './options.ts';
import { SchemaTeacher } from './schema-teacher.ts';
import type { ClientFactory } from './client.ts';
import { TOPIC_CONFIG, TopicNames } from './topics.ts';

export interface KafkaFeedTransportOptions extends KafkaClientOptions {
  /** Used in the names of the consumer groups, `<prefix>-nve-<nveId>:<n>` (`groupPrefixOf`). */
  readonly nveId: string;
  /**
   * `delete.retention.ms` of the topics, contract.md’s 7 days by default. A cursor that is older than half of this is not
   * resumed; the feed is read from the start.
   */
  readonly deleteRetentionMs?: number;
}

interface Cluster {
  readonly follower: ClusterFollower;
  readonly teacher: SchemaTeacher;
}

/** The NVE’s side of the feeds on Kafka: one consumer per cluster, over all feeds that are followed there. */
export class KafkaFeedTransport implements FeedTransport {
  readonly #options: KafkaFeedTransportOptions;
  readonly #names: TopicNames;
  readonly #prefix: string;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #clusters = new Map<string, Cluster>();

  constructor(options: KafkaFeedTransportOptions) {
    this.#options = options;
    this.#prefix = options.prefix ?? DEFAULT_PREFIX;
    this.#names = new TopicNames(this.#prefix);
    this.#log = options.log ?? silent;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * A feed can be followed only once at a time: close the subscription before following the feed again (from its start, for
   * example). Throws FeedRefused otherwise, or if the feed cannot have a topic.
   */
  follow(feed: FeedName, options: { readonly resume?: FeedCursor; readonly membership?: Membership }, sink: FeedSink): FeedSubscription {
    const topic = options.membership?.topic ?? this.#names.of(feed);
    const { follower, teacher } = this.#cluster(options.membership?.brokers ?? this.#options.brokers);
    if (follower.isFollowed(topic)) throw new FeedRefused(`${feedKey(feed)} (topic ${topic}) is followed already`);
    const followed = new FollowedFeed({
      topic,
      sink,
      resume: options.resume,
      deleteRetentionMs: this.#options.deleteRetentionMs ?? Number(TOPIC_CONFIG['delete.retention.ms']),
      codec: teacher.codec,
      teach: (value) => teacher.teach(value),
      clock: this.#clock,
      log: this.#log,
    });
    follower.add(followed);
    return {
      close: async () => {
        follower.remove(followed);
      },
    };
  }

  async close(): Promise<void> {
    const clusters = [...this.#clusters.values()];
    this.#clusters.clear();
    await Promise.all(clusters.map(({ follower }) => follower.close()));
  }

  #cluster(brokers: readonly string[]): Cluster {
    const name = [...brokers].sort().join(',');
    const known = this.#clusters.get(name);
    if (known) return known;
    const groupPrefix = this.#names.groupPrefixOf(this.#options.nveId);
    const client: ClientFactory = (listener) =>
      createClient(
        { ...this.#options, brokers },
        this.#options.clientId ?? `${this.#prefix}-nve-${this.#options.nveId}`,
        this.#log,
        listener,
      );
    const cluster = {
      follower: new ClusterFollower({ client, groupPrefix, clock: this.#clock, log: this.#log }),
      teacher: new SchemaTeacher({
        client,
        groupPrefix: `${groupPrefix}schemas`,
        topic: this.#names.schemas,
        codec: createRecordCodec(),
        log: this.#log,
      }),
    };
    this.#clusters.set(name, cluster);
    return cluster;
  }
}
