import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, until } from '@nva/processes';
import { Child } from './child.ts';

const MAIN = join(import.meta.dirname, '../../nva/dist/main.js');
const READY_TIMEOUT_MS = 240_000;

export interface KafkaPlace {
  readonly brokers: readonly string[];
  /** Topic prefix; other users of the broker have another one. */
  readonly prefix: string;
}

export interface RunningNva {
  readonly baseUrl: string;
  /** Throws an error with the last output of the NVA if it has ended unexpectedly. */
  assertStillRunning(): Promise<void>;
}

/**
 * Starts the NVA as a user would: as a separate process on a free port, with an empty log in a temporary folder. The process and
 * its folder are removed when `children` is disposed of, even if that happens before the NVA is ready.
 */
export async function startNva(kafka: KafkaPlace | null, children: AsyncDisposableStack): Promise<RunningNva> {
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const dataDir = mkdtempSync(join(tmpdir(), 'nvo3-demo-'));
  children.defer(() => rm(dataDir, { recursive: true, force: true }));
  const child = new Child({
    name: 'NVA',
    args: [MAIN],
    env: { HOST: '127.0.0.1', PORT: String(port), DATA_DIR: dataDir, TOKENS_FILE: '', ...kafkaEnv(kafka) },
  });
  children.defer(() => child.stop());
  const lacking = async (): Promise<string | null> => {
    child.assertRunning();
    const answer = await fetch(`${baseUrl}/readyz`).catch((cause: Error) => cause);
    if (answer instanceof Error) return 'it does not answer';
    await answer.body?.cancel();
    return answer.ok ? null : `it answers ${answer.status}`;
  };
  await until('The NVA is ready', lacking, READY_TIMEOUT_MS);
  return { baseUrl, assertStillRunning: () => child.assertStillRunning() };
}

/** Only the demo uses the prefix, so records of an earlier run may be overwritten to match the new log. */
function kafkaEnv(kafka: KafkaPlace | null): Readonly<Record<string, string>> {
  if (!kafka) return { KAFKA_BROKERS: '' };
  return { KAFKA_BROKERS: kafka.brokers.join(','), FEED_PREFIX: kafka.prefix, FEED_ADOPT: 'true' };
}
