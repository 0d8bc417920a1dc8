import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { systemClock } from '@nva/ports';
import { StandIn, type StandInOptions } from '../../../test/eventstore/stand-in.ts';
import { EventStoreDbEventStore, type EventStoreDbOptions } from '../src/index.ts';

process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'nva-compile-cache');

/** The real server that the tests are to run against instead of the stand-in. */
export const REAL_URL = process.env['EVENTSTORE_URL'];

export const openStore = (url: string, options: Partial<EventStoreDbOptions> = {}): Promise<EventStoreDbEventStore> =>
  EventStoreDbEventStore.open({ url, codec: createEventCodec(), clock: systemClock, ...options });

/** A prefix that nobody has used: on a real server every test has a log of its own. */
export const freshPrefix = (): string => `t${randomUUID().replaceAll('-', '')}-`;

/** In memory where there is such a file system: it is not the disk that is tested here. */
const SCRATCH = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A stand-in on a directory of its own, gone with the test. */
export async function startStandIn(
  options: Partial<StandInOptions> = {},
): Promise<{ readonly standIn: StandIn; readonly directory: string; dispose(): Promise<void> }> {
  const directory = mkdtempSync(join(SCRATCH, 'nva-eventstoredb-'));
  const standIn = await StandIn.start({ directory, ...options });
  return {
    standIn,
    directory,
    dispose: async () => {
      await standIn.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
