import { randomIds, sleep, systemClock } from '@nva/ports';
import type { ClientFactory } from './client.ts';
import { ConsumerRun } from './consumer-run.ts';
import { isCoordinatorNotReady } from './failures.ts';
import { Reading, type ReadBatch } from './reading.ts';
import { findEnds } from './topic-ends.ts';

/** kafkajs's work for a fetch grows with the square of the number of topics, so many topics are read in several runs. */
const MAX_TOPICS_PER_RUN = 200;
/** A broker that has just started, or has just created its topic of groups, needs a moment before it accepts a group. */
const MAX_START_ATTEMPTS = 50;
const START_PAUSE_MS = 100;
const RETRIES = 12;

export type Isolation = 'read-committed' | 'read-uncommitted';

/**
 * Every record of the topics, from the start to the end that each topic has when it is first looked at, in order within each
 * topic. A read of committed records waits for unfinished transactions. The topics must exist. Throws what kafkajs throws.
 */
export async function* readTopics(
  client: ClientFactory,
  groupPrefix: string,
  topics: readonly string[],
  isolation: Isolation = 'read-committed',
): AsyncGenerator<ReadBatch> {
  for (let from = 0; from < topics.length; from += MAX_TOPICS_PER_RUN) {
    yield* readOnce(client, `${groupPrefix}-${randomIds.uuid()}`, topics.slice(from, from + MAX_TOPICS_PER_RUN), isolation);
  }
}

async function* readOnce(
  client: ClientFactory,
  groupId: string,
  topics: readonly string[],
  isolation: Isolation,
): AsyncGenerator<ReadBatch> {
  const readUncommitted = isolation === 'read-uncommitted';
  for (let attempt = 1; ; attempt++) {
    const reading = new Reading(topics, readUncommitted ? undefined : (quiet) => findEnds(client, groupId, quiet));
    const run = new ConsumerRun(client, { groupId: `${groupId}-${attempt}`, topics, readUncommitted, retries: RETRIES }, reading);
    try {
      await run.start();
      yield* reading.batches();
      return;
    } catch (failure) {
      if (!isCoordinatorNotReady(failure) || attempt === MAX_START_ATTEMPTS) throw failure;
    } finally {
      await run.stop();
    }
    await sleep(systemClock, START_PAUSE_MS);
  }
}
