import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startNva } from './support.ts';

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

it('the Grafana dashboard asks for what there is, and shows all of it', async () => {
  const { panels } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../docker/grafana/nva.json'), 'utf8')) as Dashboard;
  // A process has only those of its roles.
  const there = new Set(
    ['metrics.ts', 'proof-metrics.ts'].flatMap(
      (file) => readFileSync(join(import.meta.dirname, '../src/observability', file), 'utf8').match(/\bnva_\w+/g) ?? [],
    ),
  );
  const asked = new Set(
    panels.flatMap(({ targets }) =>
      targets.flatMap(({ expr }) => [...expr.matchAll(/\bnva_\w+/g)].map(([name]) => name.replace(/_(?:bucket|count|sum)$/, ''))),
    ),
  );
  expect([...asked].filter((name) => !there.has(name))).toEqual([]);
  expect([...there].filter((name) => !asked.has(name) && name !== 'nva_feed_followers')).toEqual([]);
  const nva = await startNva();
  const { text } = await nva.http.get('/metrics').expect(200);
  await nva.stop();
  expect([...text.matchAll(/^# TYPE (nva_\w+) /gm)].map((match) => match[1]!).filter((name) => !there.has(name))).toEqual([]);
});
