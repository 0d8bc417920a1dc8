import { join } from 'node:path';
import { freePort, until } from '@nva/processes';
import { Child } from './child.ts';

/** The broker that the tests run on; what it needs is said by itself if it is missing. */
const START = join(import.meta.dirname, '../../../test/kafka/start.ts');
/** The first start of all fetches the broker from Maven Central. */
const READY_TIMEOUT_MS = 360_000;

/** A broker of this run's own, on a free port, gone with its data when `children` is disposed of. Returns its address. */
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
