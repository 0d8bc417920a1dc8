import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { NO_STREAM, StoreUnavailable, type EventStore } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { openStore, TemporaryDirectory } from './support.ts';

/** So long that only a transaction looks. */
const NEVER_MS = 1_000_000;

let directory: TemporaryDirectory;
let log: string;
let store: EventStore;

beforeEach(() => {
  directory = new TemporaryDirectory();
  log = join(directory.path, 'log');
});
afterEach(async () => {
  await store.close();
  directory[Symbol.dispose]();
});

async function open(lookIntervalMs: number): Promise<void> {
  store = await openStore(log, { lookIntervalMs });
  await store.append([fresh('a', NO_STREAM, 3)]);
}

/** Resolves with what ends a subscription. */
async function endOfSubscription(): Promise<Error> {
  try {
    for await (const message of store.subscribe({ signal: AbortSignal.timeout(600_000) })) if (message.kind === 'caught-up') caughtUp();
  } catch (error) {
    return error as Error;
  }
  throw new Error('the subscription ended without a reason');
}
let caughtUp: () => void;
const isCaughtUp = (): Promise<void> => new Promise((resolve) => (caughtUp = resolve));

const remove = (name: string) => () => rmSync(join(log, name), { recursive: true });
const replace = (name: string) => () => {
  cpSync(join(log, name), join(log, `${name}.copy`));
  renameSync(join(log, `${name}.copy`), join(log, name));
};
const FILES = ['log.sqlite', 'log.sqlite-wal', 'log.sqlite-shm', 'log.end', 'log.lock'];

describe('a log whose files are not in their place any more', () => {
  it.each<[string, () => void, RegExp]>([
    ['whose folder was removed', () => rmSync(log, { recursive: true }), /log\.sqlite was removed or renamed while it was open/],
    ['whose folder was renamed', () => renameSync(log, `${log}-away`), /log\.sqlite was removed or renamed/],
    [
      'above whose folder one was renamed',
      () => (
        renameSync(directory.path, `${directory.path}-away`),
        mkdirSync(directory.path),
        cpSync(`${directory.path}-away`, directory.path, { recursive: true }),
        rmSync(`${directory.path}-away`, { recursive: true })
      ),
      /log\.sqlite was replaced by another file/,
    ],
    ...FILES.map((name): [string, () => void, RegExp] => [
      `whose ${name} was removed`,
      remove(name),
      new RegExp(`${name} was removed or renamed while it was open`),
    ]),
    ...FILES.map((name): [string, () => void, RegExp] => [
      `whose ${name} was replaced by a copy`,
      replace(name),
      new RegExp(`${name} was replaced by another file while it was open`),
    ]),
  ])('%s acknowledges nothing any more, and ends with the reason', async (_, displace, reason) => {
    await open(NEVER_MS);
    const follows = isCaughtUp();
    const ended = endOfSubscription();
    await follows;
    displace();
    const refusal = store.append([fresh('b', NO_STREAM)]);
    await expect(refusal).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(refusal).rejects.toThrow(reason);
    await expect(store.append([fresh('c', NO_STREAM)])).rejects.toThrow(reason);
    expect((await ended).message).toMatch(reason);
  });

  it('ends by itself, without anything to write', async () => {
    await open(10);
    const follows = isCaughtUp();
    const ended = endOfSubscription();
    await follows;
    renameSync(log, `${log}-away`);
    expect((await ended).message).toMatch(/log\.sqlite was removed or renamed/);
  });

  it('does not touch what has been put in their place, and leaves the former files whole', async () => {
    await open(NEVER_MS);
    await store.append([fresh('b', NO_STREAM, 2)]);
    renameSync(log, `${log}-away`);
    cpSync(`${log}-away`, log, { recursive: true });
    const before = contents(log);
    expect(before.join()).toContain('log.sqlite-wal');
    await store.close();
    expect(contents(log)).toEqual(before);
    store = await openStore(`${log}-away`);
    expect(await store.head()).toMatchObject({ position: 5 });
  });
});

const contents = (path: string): string[] =>
  readdirSync(path)
    .toSorted()
    .map((name) => `${name} ${hash('sha256', readFileSync(join(path, name)))}`);
