import { FeedRefused, type FeedFailure, type FeedName } from '@nva/ports';

/** Topic names may have 1 to 249 of these characters (Kafka, «Topic.LEGAL_CHARS», «Topic.MAX_NAME_LENGTH»). */
const LEGAL_TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;
const MAX_VNID = 0xff_ff_ff;

/** A topic of the NVA has one partition, so its records have one order. */
export const PARTITION = 0;

/** Configuration of a compacted topic (contract, «Kafka»): starting values, bytes and milliseconds. */
export const TOPIC_CONFIG: Readonly<Record<string, string>> = {
  'cleanup.policy': 'compact',
  'segment.bytes': String(16 * 1024 * 1024),
  'segment.ms': String(3_600_000),
  'min.cleanable.dirty.ratio': '0.2',
  'max.compaction.lag.ms': String(6 * 3_600_000),
  'delete.retention.ms': String(7 * 24 * 3_600_000),
};

/** Suffix of an NVE's topic of outcomes. No NVE id ends in it (libs/identifiers). */
const OUTCOMES = '.outcomes';

/** Names of the topics under one prefix: from feed to topic and back. */
export class TopicNames {
  readonly schemas: string;
  readonly distributor: string;
  readonly commands: string;
  readonly #prefix: string;

  /** Throws FeedRefused if the prefix makes no valid topic names. */
  constructor(prefix: string) {
    this.#prefix = prefix;
    this.schemas = checked(`${prefix}.schemas`);
    this.distributor = checked(`${prefix}.distributor`);
    this.commands = checked(`${prefix}.commands`);
  }

  /** Throws FeedRefused if the feed's name cannot be part of a topic's name. */
  of(feed: FeedName): string {
    if (feed.kind === 'nve') return this.#ofNve(feed.nveId);
    if (!Number.isInteger(feed.vnid) || feed.vnid < 1 || feed.vnid > MAX_VNID)
      throw new FeedRefused(`A VNID is 1 to ${MAX_VNID}, received ${feed.vnid}`);
    return `${this.#prefix}.vn.${feed.vnid}`;
  }

  /** The topics of feeds, and the feeds whose names make no valid topic. */
  named(feeds: readonly FeedName[]): { readonly named: ReadonlyMap<string, FeedName>; readonly failures: readonly FeedFailure[] } {
    const named = new Map<string, FeedName>();
    const failures: FeedFailure[] = [];
    for (const feed of feeds) {
      try {
        named.set(this.of(feed), feed);
      } catch (cause) {
        failures.push({ feed, trouble: 'refused', cause: cause as Error });
      }
    }
    return { named, failures };
  }

  /** The topic with the outcomes of an NVE's commands. Throws FeedRefused as `of` does. */
  outcomes(nveId: string): string {
    return checked(`${this.#ofNve(nveId)}${OUTCOMES}`);
  }

  /**
   * Prefix of the names of an NVE’s consumer groups. An NVE id has no colon (`parseNveId`), so no other NVE has this prefix, and
   * a right on the prefix is a right on that NVE’s groups alone: `a` gets neither the groups of `a1` nor those of `a-1`.
   */
  groupPrefixOf(nveId: string): string {
    return `${this.#prefix}-nve-${nveId}:`;
  }

  /** The feed of a topic; null for a topic that is not a feed of this prefix. */
  feedOf(topic: string): FeedName | null {
    if (topic.startsWith(`${this.#prefix}.nve.`)) {
      const nveId = topic.slice(this.#prefix.length + 5);
      return nveId.endsWith(OUTCOMES) ? null : { kind: 'nve', nveId };
    }
    if (!topic.startsWith(`${this.#prefix}.vn.`)) return null;
    const digits = topic.slice(this.#prefix.length + 4);
    return /^[1-9][0-9]{0,7}$/.test(digits) && Number(digits) <= MAX_VNID ? { kind: 'vn', vnid: Number(digits) } : null;
  }

  #ofNve(nveId: string): string {
    if (nveId.endsWith(OUTCOMES)) throw new FeedRefused(`The id of an NVE does not end in ${OUTCOMES}, received «${nveId}»`);
    return checked(`${this.#prefix}.nve.${nveId}`);
  }
}

function checked(topic: string): string {
  if (LEGAL_TOPIC.test(topic)) return topic;
  throw new FeedRefused(`«${topic}» cannot be a Kafka topic: 1 to 249 letters, digits and . _ -`);
}
