import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { LogRefused } from '@nva/ports';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { allOf, ids, idsOf } from '../../../test/contract/event-store-reading.ts';
import { renewLogId } from '../src/index.ts';
import { openStore, TemporaryDirectory } from './support.ts';

let directory: TemporaryDirectory;
let log: string;
beforeEach(() => {
  directory = new TemporaryDirectory();
  log = join(directory.path, 'log');
});
afterEach(() => directory[Symbol.dispose]());

it('a log that was renewed has another UUID, and every event that it had', async () => {
  const store = await openStore(log);
  const call = [fresh('a'), fresh('b')];
  await store.append(call);
  await store.close();
  const logId = randomUUID();
  for (let run = 0; run < 2; run++) renewLogId(log, logId);
  const again = await openStore(log);
  expect([again.logId, again.logId === store.logId]).toEqual([logId, false]);
  expect(ids(await allOf(again))).toEqual(idsOf(call));
  await again.close();
});

it('a log that is open, or is not there, is not renewed', async () => {
  expect(() => renewLogId(log, randomUUID())).toThrow(/there is no log/);
  const store = await openStore(log);
  expect(() => renewLogId(log, randomUUID())).toThrow(LogRefused);
  expect(() => renewLogId(log, randomUUID())).toThrow(/is open in another store/);
  await store.close();
  const again = await openStore(log);
  expect(again.logId).toBe(store.logId);
  await again.close();
});
