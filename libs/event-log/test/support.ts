import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createEventCodec, type NvaEvent } from '@nva/codec';
import { systemClock } from '@nva/ports';
import { SqliteEventStore, type SqliteEventStoreOptions } from '../src/index.ts';

export const openStore = (directory: string, limits: Partial<SqliteEventStoreOptions> = {}): Promise<SqliteEventStore> =>
  SqliteEventStore.open({ directory, codec: createEventCodec(), clock: systemClock, ...limits });

/**
 * Each store starts two threads, and stripping types from their sources takes longer than all the rest: threads and children keep
 * the result.
 */
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'nva-compile-cache');

/** A directory of its own, gone when the test is. */
export class TemporaryDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'nva-event-log-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** An event that carries `name`, to be told from others. */
export const named = (name: string): NvaEvent => ({
  type: 'MacChanged',
  data: {
    audit: {
      recordedAt: 1_790_000_000_000,
      actor: 'x'.repeat(150),
      correlationId: '00000000-0000-4000-8000-000000000000',
      idempotencyKey: null,
      requestDigest: null,
    },
    tsId: name,
    mac: '02:00:00:00:00:01',
  },
});

/** Makes a closed log what it would be if it had been made before there were markers. */
export function makeFormat1(directory: string): void {
  const db = new DatabaseSync(join(directory, 'log.sqlite'));
  db.exec('PRAGMA user_version = 1');
  db.close();
  rmSync(join(directory, 'log.end'));
}
