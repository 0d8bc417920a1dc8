import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadFigure1 } from '../../apps/demo/src/figure.ts';
import { play } from '../../apps/demo/src/play.ts';
import { figure1Scenario } from '../../apps/demo/src/scenario.ts';
import { chaos } from './chaos.ts';
import { Cluster } from './cluster.ts';

/** `npm run test:chaos` has 50 and more; CHAOS_SEED replays one. */
const ROUNDS = Number(process.env['CHAOS_ROUNDS'] ?? 6);
const SEED = Number(process.env['CHAOS_SEED'] ?? Math.floor(performance.timeOrigin) % 1_000_000);
const ROUND_LIMIT_MS = 60_000;

let directory: string;
let cluster: Cluster;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-cluster-'));
  cluster = await Cluster.start({ directory });
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

describe('registrars, distributors and admins on three brokers and an event store', () => {
  it('play Figure 1, every NVE’s digest equal after every step (R4, R34)', { timeout: 300_000 }, async () => {
    const [registrar] = cluster.of('registrar');
    const [admin] = cluster.of('admin');
    const kafka = { brokers: [...cluster.kafka.brokers], prefix: cluster.feedPrefix };
    const titles: string[] = [];
    let digests = 0;
    for await (const outcome of play(figure1Scenario, { figure: loadFigure1(), baseUrl: registrar!.url, queriesUrl: admin!.url, kafka })) {
      titles.push(outcome.title);
      digests += outcome.checked.digests;
    }
    expect(titles).toEqual(figure1Scenario.map(({ title }) => title));
    expect(digests).toBeGreaterThan(titles.length);
  });

  it(`lose, double and confuse nothing in ${ROUNDS} rounds of processes and brokers killed and stopped under load (X1, X6)`, { timeout: ROUND_LIMIT_MS * (ROUNDS + 3) }, async () => {
    process.stdout.write(`chaos: seed ${SEED}, ${ROUNDS} rounds\n`);
    const report = await chaos(cluster, ROUNDS, SEED, ({ round, target, kind, forMs, recoveredMs }) => process.stdout.write(`chaos: round ${round}: ${target} ${kind} for ${forMs} ms, all well ${recoveredMs} ms later\n`));
    process.stdout.write(`chaos: ${JSON.stringify(report)}\n`);
    expect(report.lapsed, 'no live NVE lapses').toEqual([]);
    expect(report.acknowledged).toBeGreaterThan(20 * ROUNDS);
    expect(report.digests).toBeGreaterThan(0);
  });
});
