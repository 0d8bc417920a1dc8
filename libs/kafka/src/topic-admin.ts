import { FeedRefused, FeedUnavailable, sleep, systemClock } from '@nva/ports';
import kafkajs, { type Admin, type ConfigEntries, type ITopicConfig } from 'kafkajs';
import { isMissing, isOfOneTopic, isRefusal, protocolError, TopicFailed, topicFailed } from './failures.ts';
import { KnownTopics } from './known-topics.ts';
import type { Log } from './options.ts';
import type { TopicDescriber, TopicDetails } from './topic-details.ts';

/** Topics in one request to create, describe or alter. */
const MAX_TOPICS_PER_REQUEST = 500;
const VISIBLE_POLL_MS = 10;
const VISIBLE_TIMEOUT_MS = 10_000;
/** DescribeConfigs response: set on the topic itself, not inherited (Kafka, «DescribeConfigsResponse.ConfigSource»). */
const SET_ON_TOPIC = 1;
const ALREADY_EXISTS = 'TOPIC_ALREADY_EXISTS';

export interface TopicAdminOptions {
  readonly admin: Admin;
  readonly describer: TopicDescriber;
  readonly config: Readonly<Record<string, string>>;
  readonly log: Log;
  /** Resolves when every one of the topics, which were just created, can be read. */
  readonly untilReadable: (topics: readonly string[]) => Promise<void>;
  /** Records every topic that was found right, with its id. */
  readonly known?: KnownTopics;
  /** 1 by default. */
  readonly partitions?: number;
}

export interface EnsuredTopics {
  /**
   * Topics that were just created, or that are other topics than those known by the same names: the records of the former topics
   * are not on them.
   */
  readonly fresh: readonly string[];
  readonly failures: readonly TopicFailed[];
}

/** Creates the NVA's topics and keeps their configuration right. */
export class TopicAdmin {
  readonly #options: TopicAdminOptions;
  readonly #admin: Admin;
  readonly #config: Readonly<Record<string, string>>;
  readonly #log: Log;
  readonly #known: KnownTopics;
  readonly #partitions: number;
  /** Topics that exist and that this process found right. */
  readonly #right = new Set<string>();

  constructor(options: TopicAdminOptions) {
    this.#options = options;
    this.#admin = options.admin;
    this.#config = options.config;
    this.#log = options.log;
    this.#known = options.known ?? new KnownTopics();
    this.#partitions = options.partitions ?? 1;
  }

  /** Every topic that this client may see. */
  list(): Promise<string[]> {
    return this.#admin.listTopics();
  }

  /** Creates missing topics, and checks and corrects existing ones. A fault of one topic does not affect the others. */
  async ensure(topics: readonly string[]): Promise<EnsuredTopics> {
    const unknown = [...new Set(topics)].filter((topic) => !this.#right.has(topic) || this.#known.lost(topic) !== null);
    if (unknown.length === 0) return { fresh: [], failures: [] };
    const failures: TopicFailed[] = [];
    const existing = await this.#options.describer.describe(unknown);
    const made = await this.#create(
      unknown.filter((topic) => !existing.has(topic)),
      failures,
    );
    const right = new Map(made);
    for (const chunk of chunks([...existing.keys()])) {
      const usable = chunk.filter((topic) => this.#isUsable(topic, existing.get(topic)!, failures));
      for (const topic of await this.#each(usable, 'Checking the configuration', (some) => this.#checkConfig(some), failures))
        right.set(topic, existing.get(topic)!.id);
    }
    const fresh: string[] = [];
    for (const [topic, id] of right) {
      if (this.#known.accept(topic, id) || made.has(topic)) fresh.push(topic);
      this.#right.add(topic);
    }
    return { fresh, failures };
  }

  /** The same for topics that are indispensable: throws the first failure. */
  async require(topics: readonly string[]): Promise<readonly string[]> {
    const {
      fresh,
      failures: [failure],
    } = await this.ensure(topics);
    if (!failure) return fresh;
    const message = `Topic ${failure.topic}: ${failure.message}`;
    throw failure.trouble === 'refused' ? new FeedRefused(message, { cause: failure }) : new FeedUnavailable(message, { cause: failure });
  }

  /** Topics that were found right may have changed: the next `ensure` checks again. */
  forget(): void {
    this.#right.clear();
  }

  /** Returns when brokers no longer report the topic. */
  async delete(topic: string): Promise<void> {
    this.#right.delete(topic);
    try {
      await this.#admin.deleteTopics({ topics: [topic] });
    } catch (failure) {
      if (!isMissing(failure)) throw failure;
    }
    this.#known.forget(topic);
    for (let waitedMs = 0; waitedMs < VISIBLE_TIMEOUT_MS; waitedMs += VISIBLE_POLL_MS) {
      if (!(await this.#options.describer.describe([topic])).has(topic)) return;
      await sleep(systemClock, VISIBLE_POLL_MS);
    }
    throw new FeedUnavailable(`Topic ${topic} could still be seen after it was deleted, for ${VISIBLE_TIMEOUT_MS} ms`);
  }

  /** The ids of the topics that exist now. Another writer may create some of them at the same moment: then these are checked. */
  async #create(topics: readonly string[], failures: TopicFailed[]): Promise<ReadonlyMap<string, string>> {
    const configEntries = Object.entries(this.#config).map(([name, value]) => ({ name, value }));
    const made = new Map<string, string>();
    for (const chunk of [...chunks(topics)].flatMap(apart)) {
      const { failed, raced } = await this.#request(chunk.map((topic) => ({ topic, numPartitions: this.#partitions, configEntries })));
      failures.push(...failed);
      const visible = await this.#untilVisible(
        chunk.filter((topic) => !failed.some((failure) => failure.topic === topic)),
        failures,
      );
      const checked = raced
        ? await this.#each([...visible.keys()], 'Checking the configuration', (some) => this.#checkConfig(some), failures)
        : [...visible.keys()];
      // A broker reports a topic before it has made the topic's log. A transaction begun then is aborted, and the broker (4.4.0)
      // may lose the markers of several such transactions at once, which delays every transaction on it until request.timeout.ms,
      // 30 s.
      if (checked.length > 0) await this.#options.untilReadable(checked);
      for (const topic of checked) made.set(topic, visible.get(topic)!.id);
    }
    return made;
  }

  async #request(topics: ITopicConfig[]): Promise<{ readonly failed: readonly TopicFailed[]; readonly raced: boolean }> {
    try {
      return { failed: [], raced: !(await this.#admin.createTopics({ topics, waitForLeaders: false })) };
    } catch (failure) {
      const errors = (failure as { errors?: unknown }).errors;
      if (!Array.isArray(errors)) throw failure;
      const failing = (errors as readonly { readonly topic: string }[]).filter((error) => protocolError(error) !== ALREADY_EXISTS);
      const failed = await Promise.all(failing.map((error) => this.#refused(error.topic, error)));
      return { failed, raced: errors.length > failed.length };
    }
  }

  /** Kafka says only that the name is invalid, not which other topic name it treats as the same. */
  async #refused(topic: string, error: unknown): Promise<TopicFailed> {
    const like =
      protocolError(error) === 'INVALID_TOPIC_EXCEPTION'
        ? (await this.list()).find((other) => other !== topic && onKafka(other) === onKafka(topic))
        : undefined;
    return like === undefined
      ? topicFailed(topic, 'Creating the topic', error)
      : new TopicFailed(
          topic,
          'refused',
          `Creating the topic: its name collides with that of ${like}: Kafka takes . and _ for the same`,
          error,
        );
  }

  /** A broker learns of topics from the controller, a little after the controller answered. */
  async #untilVisible(topics: readonly string[], failures: TopicFailed[]): Promise<ReadonlyMap<string, TopicDetails>> {
    let found = new Map<string, TopicDetails>();
    for (let waitedMs = 0; found.size < topics.length && waitedMs < VISIBLE_TIMEOUT_MS; waitedMs += VISIBLE_POLL_MS) {
      if (waitedMs > 0) await sleep(systemClock, VISIBLE_POLL_MS);
      found = new Map([...(await this.#options.describer.describe(topics))].filter(([, { error }]) => error === null));
    }
    for (const topic of topics)
      if (!found.has(topic))
        failures.push(
          new TopicFailed(topic, 'unavailable', `Topic ${topic} could not be used after it was created, for ${VISIBLE_TIMEOUT_MS} ms`),
        );
    return found;
  }

  #isUsable(topic: string, { partitions, error }: TopicDetails, failures: TopicFailed[]): boolean {
    if (error !== null) failures.push(saidOf(topic, error));
    else if (partitions !== this.#partitions)
      failures.push(
        new TopicFailed(
          topic,
          'refused',
          `Topic ${topic} has ${partitions} partitions${this.#partitions === 1 ? '; it must have one. Delete it, and it is made anew from the log' : `, not ${this.#partitions}`}`,
        ),
      );
    else return true;
    return false;
  }

  /**
   * Does it for all topics together. If that fails because of one of them, does it for each one alone; returns those for which it
   * was done.
   */
  async #each(
    topics: readonly string[],
    doing: string,
    action: (topics: readonly string[]) => Promise<void>,
    failures: TopicFailed[],
  ): Promise<readonly string[]> {
    if (topics.length === 0) return [];
    try {
      await action(topics);
      return topics;
    } catch (failure) {
      if (!isOfOneTopic(failure) && !(failure instanceof FeedRefused)) throw failure;
      if (topics.length === 1) {
        failures.push(topicFailed(topics[0]!, doing, failure));
        return [];
      }
      const middle = topics.length >> 1;
      return [
        ...(await this.#each(topics.slice(0, middle), doing, action, failures)),
        ...(await this.#each(topics.slice(middle), doing, action, failures)),
      ];
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
      this.#log('warn', `Correcting the configuration of topic ${resourceName}: ${this.#differences(configEntries).join(', ')}`, {
        topic: resourceName,
      });
    }
    try {
      await this.#admin.alterConfigs({
        validateOnly: false,
        // A setting that is not sent falls back to the broker's default, so all settings of the topic are sent again.
        resources: wrong.map(({ resourceName, configEntries }) => ({
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: resourceName,
          configEntries: this.#corrected(configEntries),
        })),
      });
    } catch (cause) {
      if (!isOfOneTopic(cause) && !isRefusal(cause)) throw cause;
      throw new FeedRefused(
        `Topic ${wrong[0]!.resourceName} is not configured as it must be, and that could not be corrected: ${this.#differences(wrong[0]!.configEntries).join(', ')}`,
        { cause },
      );
    }
  }

  #differences(entries: readonly ConfigEntries[]): string[] {
    const actual = new Map(entries.map((entry) => [entry.configName, entry.configValue]));
    return Object.entries(this.#config).flatMap(([name, value]) =>
      actual.get(name) === value ? [] : [`${name} is ${actual.get(name)}, must be ${value}`],
    );
  }

  #corrected(entries: readonly ConfigEntries[]): { name: string; value: string }[] {
    const set = entries
      .filter((entry) => (entry.configSource as unknown as number) === SET_ON_TOPIC)
      .map((entry) => [entry.configName, entry.configValue] as const);
    return Object.entries({ ...Object.fromEntries(set), ...this.#config }).map(([name, value]) => ({ name, value }));
  }
}

/** The topics that cannot be used, according to the given details. */
export const troubles = (topics: readonly string[], details: ReadonlyMap<string, TopicDetails>): readonly TopicFailed[] =>
  topics.flatMap((topic) => {
    const found = details.get(topic);
    if (!found) return [new TopicFailed(topic, 'lost', `Topic ${topic} is gone`)];
    return found.error === null ? [] : [saidOf(topic, found.error)];
  });

const saidOf = (topic: string, error: string): TopicFailed =>
  topicFailed(topic, 'Asking for the topic', Object.assign(new Error(`the brokers say ${error}`), { type: error }));

const onKafka = (topic: string): string => topic.replaceAll('.', '_');

/**
 * Brokers refuse a topic whose name collides with another topic's (`onKafka`), but not within one request; so the later ones go
 * into a separate request.
 */
function apart(topics: readonly string[]): (readonly string[])[] {
  const first = new Map(topics.toReversed().map((topic) => [onKafka(topic), topic]));
  const [together, later] = [
    topics.filter((topic) => first.get(onKafka(topic)) === topic),
    topics.filter((topic) => first.get(onKafka(topic)) !== topic),
  ];
  return later.length === 0 ? [together] : [together, ...apart(later)];
}

function* chunks(topics: readonly string[]): Generator<string[]> {
  for (let from = 0; from < topics.length; from += MAX_TOPICS_PER_REQUEST) yield topics.slice(from, from + MAX_TOPICS_PER_REQUEST);
}
