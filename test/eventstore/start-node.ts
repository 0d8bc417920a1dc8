import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ClusterNode } from './cluster-node.ts';
import { Majority } from './majority.ts';

/**
 * One process of a stand-in of several nodes, until it is told to end: with `--data` what the nodes have in common, else the node
 * that listens on `--port` and knows the former on `--majority` and `--log`. One line says that it is ready.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    majority: { type: 'string' },
    log: { type: 'string' },
    data: { type: 'string' },
    nodes: { type: 'string' },
    elections: { type: 'string', default: '1000-15000' },
    seed: { type: 'string', default: '1' },
  },
});
const numbers = (text: string | undefined): number[] => (text ?? '').split(/[-,]/).map(Number);

async function start(): Promise<{ stop(): void | Promise<void> }> {
  const [port] = numbers(values.port);
  if (values.data === undefined)
    return ClusterNode.start({ port: port!, majorityPort: Number(values.majority), logPort: Number(values.log) });
  const [least, most] = numbers(values.elections);
  return Majority.start({
    directory: resolve(values.data),
    port: port!,
    logPort: Number(values.log),
    nodes: numbers(values.nodes),
    electionMs: [least!, most!],
    seed: Number(values.seed),
  });
}

const running = await start();
process.stdout.write(`ready on ${values.port} (pid ${process.pid})\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void Promise.resolve(running.stop()).then(() => process.exit(0)));
