import type { RecordCodec } from '@nva/codec';
import type { Log } from './options.ts';
import { learnSchemas } from './schema-topic.ts';
import type { ClientFactory } from './client.ts';

export interface SchemaTeacherOptions {
  readonly client: ClientFactory;
  readonly groupPrefix: string;
  readonly topic: string;
  readonly codec: RecordCodec;
  readonly log: Log;
}

/** A codec for one cluster. It looks up unknown schemas on the schemas topic, which it reads once for each. */
export class SchemaTeacher {
  readonly codec: RecordCodec;
  readonly #options: SchemaTeacherOptions;
  readonly #sought = new Set<string>();
  #seeking: Promise<void> | undefined;

  constructor(options: SchemaTeacherOptions) {
    this.#options = options;
    this.codec = options.codec;
  }

  /** Resolves when nothing more can be learned about the value’s schema. Never rejects. */
  async teach(value: Buffer): Promise<void> {
    const fingerprint = this.codec.fingerprintIn(value);
    if (fingerprint === null || this.#sought.has(fingerprint)) return;
    // The schema is on the topic before the record. A read that began earlier may not have met it, so it is awaited first.
    await this.#seeking;
    if (this.codec.knows(fingerprint) || this.#sought.has(fingerprint)) return;
    this.#seeking = this.#read(fingerprint);
    await this.#seeking;
  }

  async #read(fingerprint: string): Promise<void> {
    const { client, groupPrefix, topic, codec, log } = this.#options;
    try {
      await learnSchemas(client, groupPrefix, topic, codec, log);
      this.#sought.add(fingerprint);
    } catch (failure) {
      log('warn', `Schema ${fingerprint} is not known, and topic ${topic} could not be read: ${String(failure)}`, { topic, fingerprint });
    }
  }
}
