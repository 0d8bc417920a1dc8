import { FeedFenced, FeedRefused, FeedsFailed, FeedUnavailable, type FeedTrouble } from '@nva/ports';

/** Protocol errors which say that this producer's epoch is not the newest, or that its transaction no longer exists. */
const EPOCH_IS_OLD = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_TXN_STATE',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTION_COORDINATOR_FENCED',
]);
/** Errors that retrying does not solve: rights, configuration, or a record that the broker does not accept. */
const REFUSALS = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'SECURITY_DISABLED',
  'INVALID_CONFIG',
  'INVALID_REPLICATION_FACTOR',
  'POLICY_VIOLATION',
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TOPIC_EXCEPTION',
  'UNSUPPORTED_VERSION',
  'INVALID_TRANSACTION_TIMEOUT',
]);
/** Those of the refusals and of the temporary errors that concern one topic: writing to others may well succeed. */
const OF_ONE_TOPIC = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'INVALID_CONFIG',
  'INVALID_REPLICATION_FACTOR',
  'POLICY_VIOLATION',
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TOPIC_EXCEPTION',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'KAFKA_STORAGE_ERROR',
  // What a broker answers for the other topics beside the one that it refuses.
  'OPERATION_NOT_ATTEMPTED',
]);
/**
 * The coordinator of a group is not ready yet. kafkajs retries these errors nearly everywhere, but not when a consumer joins a
 * group.
 */
const COORDINATOR_NOT_READY = new Set(['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP']);
/** kafkajs keeps the message of a failed login but not its type, and reports a connection that broke meanwhile by the same error. */
const LOGIN_REFUSED = /invalid credentials/i;
const MAX_CAUSES = 8;

/** The Kafka protocol's name of the error (`INVALID_PRODUCER_EPOCH`), found through the wrappers kafkajs puts around it. */
export function protocolError(failure: unknown): string | undefined {
  let current: unknown = failure;
  for (let depth = 0; depth < MAX_CAUSES && current instanceof Error; depth++) {
    const { type, errors, originalError } = current as { type?: unknown; errors?: unknown[]; originalError?: unknown };
    if (typeof type === 'string') return type;
    if (current.name === 'KafkaJSSASLAuthenticationError' && LOGIN_REFUSED.test(current.message)) return 'SASL_AUTHENTICATION_FAILED';
    current = current.cause ?? originalError ?? errors?.[0];
  }
  return undefined;
}

export const isEpochOld = (failure: unknown): boolean => EPOCH_IS_OLD.has(protocolError(failure) ?? '');
export const isRefusal = (failure: unknown): boolean => REFUSALS.has(protocolError(failure) ?? '');
export const isOfOneTopic = (failure: unknown): boolean =>
  failure instanceof TopicFailed || (!isFeedError(failure) && OF_ONE_TOPIC.has(protocolError(failure) ?? ''));
export const isCoordinatorNotReady = (failure: unknown): boolean => COORDINATOR_NOT_READY.has(protocolError(failure) ?? '');
export const isMissing = (failure: unknown): boolean => protocolError(failure) === 'UNKNOWN_TOPIC_OR_PARTITION';

/** One topic failed for its own reason; others did not. */
export class TopicFailed extends Error {
  override readonly name = 'TopicFailed';
  readonly topic: string;
  readonly trouble: FeedTrouble;

  constructor(topic: string, trouble: FeedTrouble, message: string, cause?: unknown) {
    super(message, { cause });
    this.topic = topic;
    this.trouble = trouble;
  }
}

const isFeedError = (failure: unknown): failure is Error =>
  failure instanceof FeedFenced || failure instanceof FeedRefused || failure instanceof FeedsFailed || failure instanceof FeedUnavailable;

/** The trouble of a topic, derived from what was thrown. */
export function topicFailed(topic: string, doing: string, failure: unknown): TopicFailed {
  if (failure instanceof TopicFailed && failure.topic === topic) return failure;
  const trouble = isMissing(failure) ? 'lost' : isRefusal(failure) || failure instanceof FeedRefused ? 'refused' : 'unavailable';
  return new TopicFailed(topic, trouble, `${doing}: ${failure instanceof Error ? failure.message : String(failure)}`, failure);
}

/** The port's error for whatever kafkajs threw; the port's own errors pass unchanged. */
export function asFeedError(failure: unknown, doing: string): Error {
  if (isFeedError(failure)) return failure;
  const message = `${doing}: ${failure instanceof Error ? failure.message : String(failure)}`;
  return isRefusal(failure) ? new FeedRefused(message, { cause: failure }) : new FeedUnavailable(message, { cause: failure });
}

export async function translated<T>(doing: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (failure) {
    throw asFeedError(failure, doing);
  }
}

/** The failures of the work, once all of it has settled: nothing is still under way then. */
export async function failuresOf(work: readonly Promise<void>[]): Promise<readonly Error[]> {
  return (await Promise.allSettled(work)).flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
}

/**
 * The same failures, if each concerns one topic only. Otherwise throws the first one that concerns more, but FeedFenced before
 * any other.
 */
export function ofTopics(failures: readonly Error[]): readonly TopicFailed[] {
  const topics = failures.filter((failure) => failure instanceof TopicFailed);
  if (topics.length === failures.length) return topics;
  throw failures.find((failure) => failure instanceof FeedFenced) ?? failures.find((failure) => !(failure instanceof TopicFailed))!;
}
