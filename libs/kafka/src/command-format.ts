import type { IHeaders, KafkaMessage, Message, TopicMessages } from 'kafkajs';
import { PARTITION, type TopicNames } from './topics.ts';

/** A record on the topic of commands, as received: nothing is checked. */
export interface ReceivedCommand {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** Milliseconds since the epoch, as the sender gave it. */
  readonly timestamp: number;
  readonly key: string | null;
  /** If a header is repeated, the last one. */
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Buffer | null;
}

/** A record for an NVE's topic of outcomes. */
export interface OutcomeRecord {
  readonly nveId: string;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export function receivedCommand(
  topic: string,
  partition: number,
  { offset, timestamp, key, headers, value }: KafkaMessage,
): ReceivedCommand {
  return {
    topic,
    partition,
    offset,
    timestamp: Number(timestamp),
    key: key === null ? null : key.toString('utf8'),
    headers: texts(headers),
    value,
  };
}

/** One request: for each topic its records, in order. */
export function outcomeMessages(names: TopicNames, records: readonly (OutcomeRecord | null)[]): TopicMessages[] {
  const byTopic = new Map<string, Message[]>();
  for (const record of records) {
    if (!record) continue;
    const topic = names.outcomes(record.nveId);
    const message: Message = { key: record.key, value: record.value, headers: { ...record.headers }, partition: PARTITION };
    const known = byTopic.get(topic);
    if (known) known.push(message);
    else byTopic.set(topic, [message]);
  }
  return [...byTopic].map(([topic, messages]) => ({ topic, messages }));
}

function texts(headers: IHeaders | undefined): Record<string, string> {
  const result: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(headers ?? {})) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    if (last !== undefined) result[name] = last.toString();
  }
  return result;
}
