import { closeSync, existsSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Stored } from './stored.ts';

/** A record that the embedded log cannot carry, and where it stands: the `nth` behind the embedded event at `anchor`. */
export interface OtherRecord extends Omit<Stored, 'data' | 'metadata' | 'position' | 'revision'> {
  readonly anchor: number;
  readonly nth: number;
  readonly data: string;
  readonly metadata: string;
}

export interface SoftDelete {
  readonly softDelete: string;
}

/**
 * What is no event of ours in today's schema, of which the embedded log holds no other: system events, links, foreign events, the
 * log's own stream, events under old schemas, tombstones, soft deletes. A line of JSON each, synced before it is answered; a torn
 * last line is no record.
 */
export class OtherRecords {
  readonly #file: number;
  readonly past: readonly (OtherRecord | SoftDelete)[];

  constructor(directory: string) {
    const path = join(directory, 'others.jsonl');
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const lines = text.split('\n').slice(0, -1);
    this.past = lines.map((line) => JSON.parse(line) as OtherRecord | SoftDelete);
    if (text !== '') truncateSync(path, Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)));
    this.#file = openSync(path, 'a');
  }

  add(records: readonly (OtherRecord | SoftDelete)[]): void {
    writeSync(this.#file, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    fsyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }
}
