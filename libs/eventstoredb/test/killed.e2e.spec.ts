import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_STREAM, StoreUnavailable, type RecordedEvent } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { allOf, ids } from '../../../test/contract/event-store-reading.ts';
import { StandInProcess } from '../../../test/eventstore/stand-in-process.ts';
import { openStore, REAL_URL } from './support.ts';

if (REAL_URL !== undefined) process.stdout.write('killed.e2e.spec.ts kills the stand-in all the same: a real server is not ours to kill\n');

describe('a server that is killed and started again on the same data', () => {
  let directory: string;
  let server: StandInProcess;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'nva-eventstoredb-'));
    server = await StandInProcess.start(directory);
  });
  afterEach(async () => {
    await server.kill();
    rmSync(directory, { recursive: true, force: true });
  });

  it('has every event that was acknowledged, and its subscriber goes on with all of them once', async () => {
    const store = await openStore(server.url, { firstDelayMs: 20, largestDelayMs: 100, appendDeadlineMs: 2_000 });
    const { logId } = store;
    const stop = new AbortController();
    const received: RecordedEvent[] = [];
    let wanted: ReadonlySet<string> | undefined;
    const following = (async () => {
      for await (const message of store.subscribe({ signal: stop.signal })) {
        if (message.kind === 'events') received.push(...message.events);
        if (wanted && received.length >= wanted.size) stop.abort();
      }
    })();
    const acknowledged: string[] = [];
    const ended = new AbortController();
    let refusals = 0;
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let i = 0; !ended.signal.aborted; i++) {
        const append = fresh(`w-${writer}-${i}`, NO_STREAM, 1 + (i % 2));
        const result = await store.append([append]).catch((error: unknown) => {
          expect(error).toBeInstanceOf(StoreUnavailable);
          refusals++;
        });
        if (result) acknowledged.push(...ids(append.events));
      }
    });
    const until = async (count: number): Promise<void> => {
      while (acknowledged.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    for (let round = 1; round <= 2; round++) {
      await until(acknowledged.length + 300);
      await server.kill();
      server = await StandInProcess.start(directory, server.port);
    }
    await until(acknowledged.length + 300);
    ended.abort();
    await Promise.all(writers);
    const stored = ids(await allOf(store));
    wanted = new Set(stored);
    expect(wanted.size).toBe(stored.length);
    expect(acknowledged.filter((id) => !wanted!.has(id))).toEqual([]);
    await store.append([fresh('last')]);
    wanted = new Set(ids(await allOf(store)));
    await following;
    expect(ids(received)).toEqual([...wanted]);
    await store.close();
    const again = await openStore(server.url);
    expect(again.logId).toBe(logId);
    await again.close();
    process.stdout.write(
      `killed twice: ${acknowledged.length} acknowledged, ${stored.length} stored, ${refusals} calls of unknown outcome\n`,
    );
  }, 300_000);

  it('keeps what the embedded log does not carry', async () => {
    const store = await openStore(server.url);
    await store.append([fresh('a', NO_STREAM, 2)]);
    await store.close();
    await server.kill('SIGTERM');
    server = await StandInProcess.start(directory);
    const again = await openStore(server.url);
    expect(again.logId).toBe(store.logId);
    expect(await again.append([fresh('a', 1)])).toMatchObject([{ outcome: 'appended', revision: 2, repeated: false }]);
    await again.close();
  }, 300_000);
});
