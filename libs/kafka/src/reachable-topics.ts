import type { Admin } from 'kafkajs';
import { isMissing, isRefusal } from './failures.ts';

export interface Reachability {
  readonly reachable: readonly string[];
  /** By topic: it does not exist, or this client may not see it. */
  readonly unreachable: ReadonlyMap<string, Error>;
}

/**
 * Finds which of the topics exist and are visible. If one topic of a question is not, kafkajs fails the whole question without
 * saying which, so a failing set is asked again in halves. Throws if the cluster cannot be reached.
 */
export async function reachability(admin: Admin, topics: readonly string[]): Promise<Reachability> {
  if (topics.length === 0) return { reachable: [], unreachable: new Map() };
  try {
    await admin.fetchTopicMetadata({ topics: [...topics] });
    return { reachable: topics, unreachable: new Map() };
  } catch (failure) {
    if (!isMissing(failure) && !isRefusal(failure)) throw failure;
    if (topics.length === 1) return { reachable: [], unreachable: new Map([[topics[0]!, failure as Error]]) };
  }
  const half = Math.ceil(topics.length / 2);
  const [first, second] = [await reachability(admin, topics.slice(0, half)), await reachability(admin, topics.slice(half))];
  return { reachable: [...first.reachable, ...second.reachable], unreachable: new Map([...first.unreachable, ...second.unreachable]) };
}
