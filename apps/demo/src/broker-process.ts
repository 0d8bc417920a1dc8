import { join } from 'node:path';
import { freePort, until } from '@nva/processes';
import { Child } from './child.ts';

/** The broker of the tests; its script reports missing requirements itself. */
const START = join(import.meta.dirname, '../../../test/kafka/start.ts');
/** The very first start downloads the broker from Maven Central. */
const READY_TIMEOUT_MS = 360_000;

/**
 * Starts a broker for this run only, on a free port; it is removed with its data when `children` is disposed of. Returns its
 * address.
 */
export async function startBroker(children: AsyncDisposableStack): Promise<string> {
  const port = await freePort();
  const child = children.adopt(new Child({ name: 'Kafka broker', args: [START, '--port', String(port)] }), (broker) => broker.stop());
  await until(
    'The Kafka broker is ready',
    () => {
      child.assertRunning();
      return child.output.includes('Kafka is ready') ? null : 'it has not said so';
    },
    READY_TIMEOUT_MS,
  );
  return `127.0.0.1:${port}`;
}
