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
  /** Topic prefix: whoever shares the broker has another. */
  readonly prefix: string;
}

export interface RunningNva {
  readonly baseUrl: string;
  /** Throws with its last words if it has ended by itself. */
  assertStillRunning(): Promise<void>;
}

/**
 * The NVA as anybody would run it: a process of its own on a free port, with an empty log in a temporary folder. It goes with `children`,
 * and its folder with it, also if that is disposed of before the NVA is ready.
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

/** The prefix is the demo's own, so whatever an earlier run has left under it may be made equal to the new log. */
function kafkaEnv(kafka: KafkaPlace | null): Readonly<Record<string, string>> {
  if (!kafka) return { KAFKA_BROKERS: '' };
  return { KAFKA_BROKERS: kafka.brokers.join(','), FEED_PREFIX: kafka.prefix, FEED_ADOPT: 'true' };
}
