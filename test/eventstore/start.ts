import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { StandIn } from './stand-in.ts';

/**
 * `node --conditions=source test/eventstore/start.ts --port 2113 --data DIR`: the stand-in of the tests as a process of its own,
 * until it is told to end. One line says that it is ready; nothing else is printed.
 */
const { values } = parseArgs({ options: { port: { type: 'string', default: '2113' }, data: { type: 'string' } } });
if (values.data === undefined || !/^\d{1,5}$/.test(values.port)) {
  process.stderr.write('usage: start.ts --port N --data DIR\n');
  process.exit(2);
}
const standIn = await StandIn.start({ directory: resolve(values.data), port: Number(values.port) });
process.stdout.write(`The EventStoreDB stand-in is ready: EVENTSTORE_URL=${standIn.url} (pid ${process.pid})\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void standIn.stop().then(() => process.exit(0)));
