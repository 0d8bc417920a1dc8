import { inject } from 'vitest';

/**
 * Bootstrap addresses of the broker of this test run: KAFKA_BROKERS, or one that is started at the first call. Rejects with
 * what is missing if there can be none, so that a Kafka spec fails by it; it is never skipped.
 */
export async function kafkaBrokers(): Promise<string[]> {
  const answer = (await (await fetch(inject('kafkaUrl'))).json()) as { brokers?: string; reason?: string };
  if (answer.brokers === undefined) throw new Error(answer.reason);
  return answer.brokers.split(',');
}
