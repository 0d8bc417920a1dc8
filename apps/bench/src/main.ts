/**
 * `npm run bench [-- --json] [-- --only name,…]`: measures and prints each figure beside its limit of the same run. A name may be
 * the common beginning of several.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBroker, type RunningBroker } from '../../../test/kafka/broker.ts';
import type { BenchContext, Figure, Suite } from './figure.ts';
import { auditSuite } from './audit-suite.ts';
import { commandsSuite } from './commands-suite.ts';
import { convergenceSuite } from './convergence-suite.ts';
import { fairnessSuite } from './fairness-suite.ts';
import { fanOutSuite } from './fan-out-suite.ts';
import { foldSuite, memorySuite } from './fold-suite.ts';
import { historySuite } from './history-suite.ts';
import { kafkaCommandsSuite } from './kafka-commands-suite.ts';
import { lateJoinSuite } from './late-join-suite.ts';
import { appendSuite, replaySuite } from './log-suite.ts';
import { oneWriterSuite } from './one-writer-suite.ts';
import { publishSuite } from './publish-suite.ts';
import { restartSuite } from './restart-suite.ts';
import { distributorsSuite, registrarsSuite } from './services-suite.ts';
import { streamsSuite } from './streams-suite.ts';
import { table } from './table.ts';

const SUITES: readonly Suite[] = [
  appendSuite,
  replaySuite,
  foldSuite,
  memorySuite,
  historySuite,
  restartSuite,
  commandsSuite,
  auditSuite,
  fairnessSuite,
  publishSuite,
  fanOutSuite,
  registrarsSuite,
  distributorsSuite,
  convergenceSuite,
  streamsSuite,
  lateJoinSuite,
  oneWriterSuite,
  kafkaCommandsSuite,
];

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, only: { type: 'string' } } });
const wanted = values.only?.split(',');
const known = SUITES.flatMap((suite) => suite.figures);
const covers = (given: string, name: string): boolean => name === given || name.startsWith(`${given}_`);
const unknown = wanted?.filter((given) => !known.some((name) => covers(given, name))) ?? [];
const isWanted = (name: string): boolean => !wanted || wanted.some((given) => covers(given, name));
if (unknown.length > 0) {
  process.stderr.write(`bench: no figure ${unknown.join(', ')}; there are ${known.join(', ')}\n`);
  process.exit(2);
}

const cache = join(import.meta.dirname, '../../../.cache');
await mkdir(cache, { recursive: true });
const directory = await mkdtemp(join(cache, 'bench-'));
let broker: RunningBroker | undefined;
const context: BenchContext = {
  directory,
  async brokers() {
    const given = process.env['KAFKA_BROKERS'];
    if (given) return given.split(',');
    broker ??= await startBroker({ measured: true });
    return [broker.brokers];
  },
  say: (line) => void process.stderr.write(`  ${line}\n`),
};

const figures: Figure[] = [];
try {
  process.stderr.write(`${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}\n`);
  for (const suite of SUITES) {
    if (wanted ? !suite.figures.some(isWanted) : suite.onlyWhenNamed) continue;
    process.stderr.write(`${suite.title}\n`);
    try {
      figures.push(...(await suite.run(context)).filter(({ name }) => isWanted(name)));
    } catch (error) {
      // The results of the other suites are still useful.
      process.exitCode = 1;
      process.stderr.write(`  failed: ${String((error as Error).stack ?? error)}\n`);
    }
  }
} finally {
  await broker?.stop();
  await rm(directory, { recursive: true, force: true });
}
process.stderr.write(values.json ? table(figures) : '');
process.stdout.write(
  values.json ? `${JSON.stringify({ figures: figures.map(({ less: _less, ...figure }) => figure) })}\n` : table(figures),
);
