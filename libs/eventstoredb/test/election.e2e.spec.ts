import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { NO_STREAM, StoreUnavailable, type RecordedEvent } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { allOf, ids } from '../../../test/contract/event-store-reading.ts';
import { StandInCluster } from '../../../test/eventstore/stand-in-cluster.ts';
import type { EventStoreDbEventStore } from '../src/index.ts';
import { openStore, REAL_URL } from './support.ts';

if (REAL_URL !== undefined)
  process.stdout.write('election.e2e.spec.ts kills the stand-in all the same: a real cluster is not ours to kill\n');

const WRITERS = 4;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Callers that append all the time, and when each was answered last. */
class Callers {
  readonly acknowledged: string[] = [];
  refusals = 0;
  readonly #store: EventStoreDbEventStore;
  readonly #running: Promise<void>[];
  #answeredMs = performance.now();
  #ending = false;

  constructor(store: EventStoreDbEventStore) {
    this.#store = store;
    this.#running = Array.from({ length: WRITERS }, (_, writer) => this.#write(writer));
  }

  /** Resolves with the time of the next answer that begins after now. */
  async answered(): Promise<number> {
    const now = performance.now();
    while (this.#answeredMs <= now) await pause(1);
    return this.#answeredMs;
  }

  async stop(): Promise<void> {
    this.#ending = true;
    await Promise.all(this.#running);
  }

  async #write(writer: number): Promise<void> {
    for (let i = 0; !this.#ending; i++) {
      const append = fresh(`w-${writer}-${i}`, NO_STREAM, 1 + (i % 2));
      const answer = await this.#store.append([append]).catch((error: unknown) => {
        expect(error).toBeInstanceOf(StoreUnavailable);
        this.refusals++;
      });
      if (!answer) continue;
      this.acknowledged.push(...ids(append.events));
      this.#answeredMs = performance.now();
    }
  }
}

describe('three nodes of which the leader is killed or stopped', () => {
  let directory: string;
  let cluster: StandInCluster;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'nva-election-'));
    cluster = await StandInCluster.start({ data: join(directory, 'data'), logs: directory, electionMs: [1_000, 6_000], seed: 7 });
  }, 300_000);
  afterEach(async () => {
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('have every append that was acknowledged, once; callers pause for the election and a second more at most, and subscribers go on (X6)', async () => {
    const nobodys: unknown[] = [];
    const take = (cause: unknown): void => void nobodys.push(cause);
    process.on('unhandledRejection', take);
    const store = await openStore(cluster.url);
    const stop = new AbortController();
    const received: RecordedEvent[] = [];
    const following = (async () => {
      for await (const message of store.subscribe({ signal: stop.signal })) if (message.kind === 'events') received.push(...message.events);
    })();
    const callers = new Callers(store);
    // What holds this process up is no pause of the store's.
    const loop = monitorEventLoopDelay({ resolution: 10 });
    for (const fault of ['killed', 'stopped', 'killed', 'killed'] as const) {
      await callers.answered();
      const { process: leader, term } = await cluster.leader();
      loop.reset();
      loop.enable();
      const fromMs = performance.now();
      if (fault === 'killed') await leader.kill();
      else leader.freeze();
      await cluster.leader(term);
      const electedMs = performance.now();
      const pausedMs = (await callers.answered()) - fromMs;
      loop.disable();
      const electionMs = electedMs - fromMs;
      process.stdout.write(
        `a leader was ${fault}: elected ${Math.round(electionMs)} ms later, callers paused for ${Math.round(pausedMs)} ms\n`,
      );
      if (fault === 'killed') expect(pausedMs).toBeLessThan(electionMs + 1_000 + 10 * (loop.max / 1e6));
      if (fault === 'killed') leader.start();
      else leader.thaw();
      await leader.ready();
    }
    await callers.stop();
    const stored = ids(await allOf(store));
    expect(new Set(stored).size).toBe(stored.length);
    const there = new Set(stored);
    expect(callers.acknowledged.filter((id) => !there.has(id))).toEqual([]);
    while (received.length < stored.length) await pause(10);
    stop.abort();
    await following;
    expect(ids(received)).toEqual(stored);
    await store.close();
    process.off('unhandledRejection', take);
    expect(nobodys).toEqual([]);
    process.stdout.write(
      `four leaders lost: ${callers.acknowledged.length} acknowledged, ${stored.length} stored, ${callers.refusals} calls of unknown outcome\n`,
    );
  }, 600_000);

  it('take nothing without a majority, and what was asked meanwhile when there is one again', async () => {
    const store = await openStore(cluster.url, { appendDeadlineMs: 2_000 });
    const { process: leader } = await cluster.leader();
    const other = cluster.nodes.find((node) => node !== leader)!;
    await Promise.all([leader.kill(), other.kill()]);
    const call = [fresh('a')];
    await expect(store.append(call)).rejects.toBeInstanceOf(StoreUnavailable);
    expect(store.leader.node).toBeNull();
    other.start();
    await cluster.leader();
    let answer = await store.append(call).catch(() => null);
    while (answer === null) answer = await store.append(call).catch(() => null);
    expect(answer).toMatchObject([{ outcome: 'appended', revision: 0 }]);
    expect(await allOf(store)).toHaveLength(1);
    await store.close();
  }, 300_000);
});
