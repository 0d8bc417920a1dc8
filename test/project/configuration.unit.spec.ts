import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '@nva/service';
import { parse } from 'yaml';
import { defaultOf, expectedOf, VARIABLES, type VariableName } from '../../apps/service/src/config/variables.ts';
import { configurationPage, configurationPath } from './configuration-page.ts';
import { root, trackedFiles } from './files.ts';

const NAMES = Object.keys(VARIABLES) as VariableName[];

/** An environment in which everything that depends on something else is there. */
function fullEnvironment(folder: string): Record<string, string> {
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  return {
    EVENTSTORE_URL: 'esdb://127.0.0.1:2113',
    ADVERTISED_URL: 'http://127.0.0.1:3000',
    KAFKA_BROKERS: '127.0.0.1:9092',
    KAFKA_ACLS: 'true',
    PEER_TOKEN_FILE: file('token', 'a-token\n'),
    GROUPS_FILE: file('groups.json', '{"groups": [{"name": "all", "urls": ["http://127.0.0.1:3000"], "rest": true}]}'),
    GROUP: 'all',
    QUOTAS_FILE: file('quotas.json', '{"tenants": {}, "nves": {}}'),
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
  };
}

describe('the table of variables', () => {
  it('has every variable that the code reads, and no other', () => {
    const folder = mkdtempSync(join(tmpdir(), 'nva-variables-'));
    const read = new Set<string>();
    const env = new Proxy(fullEnvironment(folder), {
      get: (target, name) => {
        read.add(String(name));
        return target[String(name)];
      },
    });
    readConfig(env);
    rmSync(folder, { recursive: true });
    expect([...read].toSorted()).toEqual(NAMES.toSorted());
  });

  it('is the only way to the environment: readers take its names, and one file of the NVA and one of nvactl start with what the process has', () => {
    const product = trackedFiles('.ts').filter(
      (file) => /^(?:apps|libs)\/[^/]+\/src\//.test(file) && !/\/testing\/|\.spec\.ts$/.test(file),
    );
    const naming = (pattern: RegExp): string[] => product.filter((file) => pattern.test(readFileSync(join(root, file), 'utf8')));
    expect(naming(/\benv\[/).filter((file) => file.startsWith('apps/service/'))).toEqual(['apps/service/src/config/environment.ts']);
    // What starts processes passes it on; demo and bench also take a broker by hand.
    const passesItOn = /^(?:apps\/(?:bench|demo)|libs\/processes)\//;
    expect(naming(/\bprocess\.env\b/).filter((file) => !passesItOn.test(file))).toEqual([
      'apps/nvactl/src/main.ts',
      'apps/service/src/process/run.ts',
    ]);
  });

  it.each(NAMES)('says of %s in sentences what it means, and has a default that is taken', (name) => {
    expect(VARIABLES[name].meaning).toMatch(/^[`A-Z].*\.$/);
    expect(VARIABLES[name].roles.length).toBeGreaterThan(0);
    const fallback = defaultOf(name);
    if (fallback !== null) expect(readConfig({ [name]: fallback })).toEqual(readConfig({}));
  });

  it.each(NAMES.filter((name) => ['integer', 'flag', 'url', 'text', 'share'].includes(VARIABLES[name].kind)))(
    'is what an error about %s quotes',
    (name) => {
      const beside = { EVENTSTORE_URL: 'esdb://127.0.0.1:2113', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
      const wrong = { ...beside, ADVERTISED_URL: 'http://127.0.0.1:3000', [name]: name === 'DATA_DIR' ? '' : 'not so' };
      const max = name === 'MAX_UNAUTHENTICATED_CONNECTIONS' ? readConfig({}).http.maxConnections : undefined;
      expect(() => readConfig(wrong)).toThrow(`${name}: expected ${expectedOf(name, max)}, got «${name === 'DATA_DIR' ? '' : 'not so'}»`);
    },
  );

  it.each(['compose.yaml', 'compose.cluster.yaml'])('has what docker/%s sets', (file) => {
    const { services } = parse(readFileSync(join(root, 'docker', file), 'utf8'), { merge: true }) as {
      services: Record<string, { build?: unknown; environment?: Record<string, unknown> }>;
    };
    const set = Object.values(services).flatMap(({ build, environment = {} }) => (build ? Object.keys(environment) : []));
    expect([...new Set(set)].filter((name) => !(name in VARIABLES))).toEqual([]);
  });
});

describe('docs/configuration.md', () => {
  it('is what the table says now (npm run docs)', () => {
    expect(readFileSync(configurationPath, 'utf8')).toBe(configurationPage());
  });
});
