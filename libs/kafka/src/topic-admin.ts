import { FeedRefused, FeedUnavailable } from '@nva/ports';
import kafkajs, { type Admin, type ConfigEntries } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMissing } from './failures.ts';
import type { Log } from './options.ts';

/** Topics in one request to create, describe or alter. */
const MAX_TOPICS_PER_REQUEST = 500;
const VISIBLE_POLL_MS = 10;
const VISIBLE_TIMEOUT_MS = 10_000;
/** DescribeConfigs response: set on the topic itself, not inherited (Kafka, «DescribeConfigsResponse.ConfigSource»). */
const SET_ON_TOPIC = 1;

/** Creates the NVA's topics and keeps their configuration as it should be. */
export class TopicAdmin {
  readonly #admin: Admin;
  readonly #config: Readonly<Record<string, string>>;
  readonly #log: Log;
  readonly #untilReadable: (topics: readonly string[]) => Promise<void>;
  readonly #partitions: number;
  /** Topics that exist and were found right, by this process. */
  readonly #right = new Set<string>();

  /** `untilReadable` resolves when every one of the topics, just made, can be read. */
  constructor(admin: Admin, config: Readonly<Record<string, string>>, log: Log, untilReadable: (topics: readonly string[]) => Promise<void>, partitions = 1) {
    this.#partitions = partitions;
    this.#admin = admin;
    this.#config = config;
    this.#log = log;
    this.#untilReadable = untilReadable;
  }

  /** Every topic that this client may see. */
  list(): Promise<string[]> {
    return this.#admin.listTopics();
  }

  /** Creates what is missing, checks and corrects what is there. Throws FeedRefused if that cannot be done. */
  async ensure(topics: readonly string[]): Promise<void> {
    const unknown = [...new Set(topics)].filter((topic) => !this.#right.has(topic));
    if (unknown.length === 0) return;
    const existing = new Set(await this.list());
    await this.#create(unknown.filter((topic) => !existing.has(topic)));
    for (const chunk of chunks(unknown.filter((topic) => existing.has(topic)))) {
      await this.#checkPartitions(chunk);
      await this.#checkConfig(chunk);
    }
    for (const topic of unknown) this.#right.add(topic);
  }

  /** What was found right may not be so any more: the next `ensure` looks again. */
  forget(): void {
    this.#right.clear();
  }

  /** Returns when the topic is gone from what brokers tell. */
  async delete(topic: string): Promise<void> {
    this.#right.delete(topic);
    try {
      await this.#admin.deleteTopics({ topics: [topic] });
    } catch (failure) {
      if (!isMissing(failure)) throw failure;
    }
    await this.#until([topic], (visible) => !visible.has(topic), 'still be seen after it was deleted');
  }

  async #create(topics: readonly string[]): Promise<void> {
    const configEntries = Object.entries(this.#config).map(([name, value]) => ({ name, value }));
    for (const chunk of chunks(topics)) {
      // Another writer may create some of them at the same moment: false, and then they are checked.
      const created = await this.#admin.createTopics({ topics: chunk.map((topic) => ({ topic, numPartitions: this.#partitions, configEntries })), waitForLeaders: false });
      await this.#until(chunk, (visible) => chunk.every((topic) => visible.has(topic)), 'not be seen after they were created');
      if (!created) await this.#checkConfig(chunk);
      // A broker tells of a topic before it has made its log. A transaction begun then is aborted, and the broker (4.4.0) may lose
      // the markers of several such at once, which holds up every transaction on it until request.timeout.ms, 30 s.
      await this.#untilReadable(chunk);
    }
  }

  /** A broker learns of topics from the controller, a little after it answered. */
  async #until(topics: readonly string[], done: (visible: ReadonlySet<string>) => boolean, otherwise: string): Promise<void> {
    for (let waitedMs = 0; waitedMs < VISIBLE_TIMEOUT_MS; waitedMs += VISIBLE_POLL_MS) {
      if (done(new Set(await this.list()))) return;
      await sleep(VISIBLE_POLL_MS);
    }
    throw new FeedUnavailable(`${topics.length} topics (${topics[0]}, …) could ${otherwise}, for ${VISIBLE_TIMEOUT_MS} ms`);
  }

  async #checkPartitions(topics: string[]): Promise<void> {
    for (const { name, partitions } of (await this.#admin.fetchTopicMetadata({ topics })).topics) {
      if (partitions.length === this.#partitions) continue;
      throw new FeedRefused(this.#partitions === 1 ? `Topic ${name} has ${partitions.length} partitions; it must have one. Delete it, and it is made anew from the log` : `Topic ${name} has ${partitions.length} partitions, not ${this.#partitions}`);
    }
  }

  async #checkConfig(topics: readonly string[]): Promise<void> {
    const { resources } = await this.#admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
    });
    const wrong = resources.filter(({ configEntries }) => this.#differences(configEntries).length > 0);
    if (wrong.length === 0) return;
    for (const { resourceName, configEntries } of wrong) {
      this.#log('warn', `Correcting the configuration of topic ${resourceName}: ${this.#differences(configEntries).join(', ')}`, { topic: resourceName });
    }
    try {
      await this.#admin.alterConfigs({
        validateOnly: false,
        // What is not named falls back to the broker's default, so everything that was set on the topic is sent again.
        resources: wrong.map(({ resourceName, configEntries }) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name: resourceName, configEntries: this.#corrected(configEntries) })),
      });
    } catch (cause) {
      throw new FeedRefused(`Topic ${wrong[0]!.resourceName} is not configured as it must be, and that could not be corrected: ${this.#differences(wrong[0]!.configEntries).join(', ')}`, { cause });
    }
  }

  #differences(entries: readonly ConfigEntries[]): string[] {
    const actual = new Map(entries.map((entry) => [entry.configName, entry.configValue]));
    return Object.entries(this.#config).flatMap(([name, value]) => (actual.get(name) === value ? [] : [`${name} is ${actual.get(name)}, must be ${value}`]));
  }

  #corrected(entries: readonly ConfigEntries[]): { name: string; value: string }[] {
    const set = entries.filter((entry) => (entry.configSource as unknown as number) === SET_ON_TOPIC).map((entry) => [entry.configName, entry.configValue] as const);
    return Object.entries({ ...Object.fromEntries(set), ...this.#config }).map(([name, value]) => ({ name, value }));
  }
}

function* chunks(topics: readonly string[]): Generator<string[]> {
  for (let from = 0; from < topics.length; from += MAX_TOPICS_PER_REQUEST) yield topics.slice(from, from + MAX_TOPICS_PER_REQUEST);
}
