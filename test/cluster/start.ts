import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster } from './cluster.ts';

/** `npm run cluster [-- --data <dir>]`: the whole set as processes on this machine, until Ctrl-C. */
const { values } = parseArgs({ options: { data: { type: 'string' } } });
const directory = values.data === undefined ? await mkdtemp(join(tmpdir(), 'nva-cluster-')) : resolve(values.data);
process.stdout.write(
  `Starting three brokers, three nodes of an event store, two registrars, two distributors and two admins; logs in ${directory}\n`,
);
const cluster = await Cluster.start({ directory });
for (const { url, process: one } of cluster.instances) process.stdout.write(`${one.name.padEnd(14)} ${url}  pid ${one.pid}\n`);
process.stdout.write(
  `Kafka          ${cluster.kafka.brokers.join(',')}  prefix ${cluster.feedPrefix}\nEvent store    ${cluster.eventStoreUrl}\nCtrl-C ends it all\n`,
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void cluster.stop().then(async () => {
      if (values.data === undefined) await rm(directory, { recursive: true, force: true });
      process.exit(0);
    });
  });
}
