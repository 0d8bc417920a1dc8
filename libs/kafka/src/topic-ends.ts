import { randomIds } from '@nva/ports';
import { ConsumerRun } from './consumer-run.ts';
import type { ClientFactory } from './client.ts';

const RETRIES = 12;

/**
 * The offset that the next record of each topic will get, unfinished transactions included. kafkajs's admin client reports only
 * the end of what is committed. So a consumer finds it: a fetch of uncommitted records gives the end of the whole topic, or shows
 * that it is empty.
 */
export async function findEnds(
  client: ClientFactory,
  groupPrefix: string,
  topics: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const ends = new Map<string, number>();
  let run: ConsumerRun | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const found = (topic: string, end: number): void => {
        if (ends.has(topic)) return;
        ends.set(topic, end);
        run!.pause(topic);
        if (ends.size === topics.length) resolve();
      };
      run = new ConsumerRun(
        client,
        { groupId: `${groupPrefix}-ends-${randomIds.uuid()}`, topics, readUncommitted: true, retries: RETRIES },
        {
          position: () => null,
          records: () => Promise.resolve(),
          progress: (topic, _next, end) => found(topic, end),
          quiet: (topic) => found(topic, 0),
          outOfRange: (topic) => reject(new Error(`Topic ${topic} was deleted while it was read`)),
          failed: reject,
        },
      );
      run.start().catch(reject);
    });
    return ends;
  } finally {
    await run?.stop();
  }
}
