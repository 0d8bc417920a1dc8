import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { systemClock } from '@nva/ports';
import { SqliteEventStore, type SqliteEventStoreOptions } from '../src/index.ts';

export const openStore = (directory: string, limits: Partial<SqliteEventStoreOptions> = {}): Promise<SqliteEventStore> => SqliteEventStore.open({ directory, codec: createEventCodec(), clock: systemClock, ...limits });

/** A directory of its own, gone when the test is. */
export class TemporaryDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'nva-event-log-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
