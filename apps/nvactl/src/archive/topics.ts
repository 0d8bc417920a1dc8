import { TableDigest } from '@nva/codec';
import { Distributor } from '@nva/distributor';
import { KafkaFeedWriter } from '@nva/kafka';
import { silentLogger, type Clock, type Position } from '@nva/ports';
import { PlayedLog, type Claim, type Played } from '@nva/replay';
import { Replica } from '@nva/replica';
import { EXIT, Failure } from '../exit-codes.ts';

export interface TopicsOptions {
  readonly brokers: readonly string[];
  readonly prefix: string;
  readonly clock: Clock;
}

/** Publishes what is played on topics, as a distributor does. The topics may not be another log's. */
export async function publish(
  logId: string,
  batches: AsyncIterable<readonly Played[]>,
  { brokers, prefix, clock }: TopicsOptions,
): Promise<void> {
  const log = new PlayedLog(logId, batches);
  const replica = new Replica(log, silentLogger, {}, clock);
  const writer = new KafkaFeedWriter({ brokers, prefix, clock });
  const distributor = new Distributor(writer, replica, log, silentLogger, { adopt: false, clock });
  let failure: unknown;
  const failed = new Promise<never>((_, reject) => {
    distributor
      .start((cause) => reject(cause as Error))
      .then(() => replica.start((cause) => reject(cause as Error)))
      .catch(reject);
  });
  try {
    await Promise.race([log.over, failed]);
    await Promise.race([replica.passed((await log.head()).position), failed]);
  } catch (cause) {
    failure = cause;
  }
  await replica.stop().catch(() => undefined);
  await distributor.stop().catch((cause: unknown) => (failure ??= cause));
  if (failure instanceof Failure) throw failure;
  if (failure !== undefined)
    throw new Failure(EXIT.refused, `the topics of ${prefix} were not written: ${(failure as Error).message}`, { cause: failure });
}

/** What the topics say of the tables of VNs. */
export async function claimsOfTopics(vnids: Iterable<number>, { brokers, prefix, clock }: TopicsOptions): Promise<readonly Claim[]> {
  const writer = new KafkaFeedWriter({ brokers, prefix, clock });
  const claims: Claim[] = [];
  try {
    for (const vnid of vnids) {
      const digest = new TableDigest();
      const live = new Map<string, Position>();
      let last: Position = 0;
      for await (const item of writer.read({ kind: 'vn', vnid })) {
        if ('undecodable' in item) continue;
        const { key, value, position } = item;
        last = Math.max(last, position);
        const before = live.get(key) ?? null;
        if (value) digest.set(key, position, before);
        else if (before !== null) digest.remove(key, before);
        if (value) live.set(key, position);
        else live.delete(key);
      }
      claims.push({ by: `the topic of VN ${vnid}`, position: last, vnid, digest: live.size === 0 ? null : digest.toString() });
    }
  } catch (cause) {
    throw new Failure(EXIT.unreachable, `the topics of ${prefix} cannot be read: ${(cause as Error).message}`, { cause });
  } finally {
    await writer.close();
  }
  return claims;
}
