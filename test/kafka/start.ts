import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startBroker } from './broker.ts';

/** `npm run kafka [-- --port 9092 --data <dir>]`: the broker of the tests, by hand, until Ctrl-C. */
const { values } = parseArgs({ options: { port: { type: 'string', default: '9092' }, data: { type: 'string' } } });
const broker = await startBroker({ port: Number(values.port), ...(values.data === undefined ? {} : { dataDir: resolve(values.data) }) });
process.stdout.write(`Kafka is ready: KAFKA_BROKERS=${broker.brokers} (pid ${broker.pid}, Ctrl-C ends it)\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void broker.stop().then(() => process.exit(0)));
