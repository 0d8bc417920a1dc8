import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig, ROLES, type Role } from '@nva/service';
import { parse } from 'yaml';
import { root } from './files.ts';

const dockerfile = readFileSync(join(root, 'docker/Dockerfile'), 'utf8');
const peerToken = join(mkdtempSync(join(tmpdir(), 'nva-docker-')), 'peer-token');
beforeAll(() => writeFileSync(peerToken, 'a-token\n'));
afterAll(() => rmSync(dirname(peerToken), { recursive: true }));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
const instruction = (name: string): string => new RegExp(`^${name} (.*)$`, 'm').exec(dockerfile.slice(dockerfile.lastIndexOf('FROM')))![1]!;
const imageEnv = Object.fromEntries(
  instruction('ENV')
    .split(' ')
    .map((pair) => pair.split('=') as [string, string]),
);

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly read_only?: boolean;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: unknown;
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly secrets?: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly configs?: Readonly<Record<string, { readonly file: string; readonly content?: string }>>;
}

const compose = (file: string): Compose => parse(readFileSync(join(root, 'docker', file), 'utf8'), { merge: true }) as Compose;
const ours = ({ services }: Compose): [string, Service][] => Object.entries(services).filter(([, service]) => service.build);
/** Its variables as it would read them, but for a secret that only its container has. */
function environmentOf(service: Service): Record<string, string> {
  const env = Object.fromEntries(Object.entries({ ...imageEnv, ...service.environment }).map(([key, value]) => [key, String(value)]));
  if (env['PEER_TOKEN_FILE'] === undefined) return env;
  expect(env['PEER_TOKEN_FILE']).toBe('/run/secrets/peer-token');
  expect(service.secrets).toContain('peer-token');
  return { ...env, PEER_TOKEN_FILE: peerToken };
}
const applicationOf = (service: Service): string => /^apps\/(\w+)\/dist\/main\.js$/.exec(service.command!.at(-1)!)![1]!;
const rolesOf = (application: string): readonly Role[] => (application === 'nva' ? ROLES : ROLES.filter((role) => role === application));

/** What can be known of the image without an engine to build it. */
describe('docker/Dockerfile', () => {
  it('runs what npm start runs', () => {
    const command = (JSON.parse(instruction('CMD')) as string[]).join(' ');
    expect(manifest.scripts['start']).toBe(`npm run --silent build && ${command}`);
    expect(existsSync(join(root, 'apps/nva/src/main.ts'))).toBe(true);
  });

  it('sets variables that the configuration takes, and exposes the port that it sets', () => {
    const config = readConfig({ ...imageEnv, TOKENS_FILE: '/run/tokens.json' });
    expect(config).toMatchObject({ host: '0.0.0.0', port: Number(instruction('EXPOSE')), dataDir: '/data' });
    expect(() => readConfig(imageEnv)).toThrow('TOKENS_FILE');
    expect(instruction('HEALTHCHECK')).toContain(`127.0.0.1:${config.port}/healthz`);
  });

  it('does not run as root', () => {
    expect(instruction('USER')).toBe('node');
  });
});

describe.each(['compose.yaml', 'compose.cluster.yaml'])('docker/%s', (file) => {
  const project = compose(file);

  it('runs applications that there are, as npm start does, with a configuration that they take', () => {
    const started = (JSON.parse(instruction('CMD')) as string[]).slice(0, -1);
    expect(new Set(ours(project).map(([, service]) => applicationOf(service)))).toEqual(new Set(['registrar', 'distributor', 'admin']));
    for (const [name, service] of ours(project)) {
      const application = applicationOf(service);
      expect(existsSync(join(root, `apps/${application}/src/main.ts`)), name).toBe(true);
      expect(service.command!.slice(0, -1), name).toEqual(started);
      const env = environmentOf(service);
      const groups = env['GROUPS_FILE'] === undefined ? {} : { GROUPS_FILE: join(root, 'docker', project.configs!['groups']!.file) };
      const config = readConfig({ ...env, ...groups }, rolesOf(application));
      expect(config.tokensFile, name).toBe('/run/secrets/tokens.json');
      expect(service.secrets, name).toContain('tokens.json');
      if (env['GROUPS_FILE'] !== undefined) {
        expect(service.configs).toEqual([{ source: 'groups', target: env['GROUPS_FILE'] }]);
        expect(config.groups!.flatMap((group) => group.urls)).toContain(`http://${name}:${config.port}`);
        expect(config.advertisedUrl).toBe(`http://${name}:${config.port}`);
      }
    }
  });

  it('keeps their file systems read-only but for the data, and publishes the port that they listen on', () => {
    for (const [name, service] of ours(project)) {
      expect(service.read_only, name).toBe(true);
      expect(service.volumes, name).toEqual([`${name}-data:${imageEnv['DATA_DIR']}`]);
      for (const port of service.ports ?? []) expect(port, name).toMatch(new RegExp(`^\\d+:${imageEnv['PORT']}$`));
    }
    const published = Object.values(project.services)
      .flatMap((service) => service.ports ?? [])
      .map((port) => port.split(':')[0]);
    expect(new Set(published).size).toBe(published.length);
  });

  it('waits for databases and brokers that it has, healthy, and addresses them all', () => {
    const { services } = project;
    for (const [name, service] of ours(project)) {
      const brokers = Object.keys(services).filter((other) => other.startsWith('kafka'));
      const nodes = Object.keys(services).filter((other) => other.startsWith('kurrentdb'));
      expect(Object.keys(service.depends_on!).toSorted(), name).toEqual([...brokers, ...nodes].toSorted());
      for (const [other, { condition }] of Object.entries(service.depends_on!)) {
        expect(condition).toBe('service_healthy');
        expect(services[other]!.healthcheck, other).toBeDefined();
      }
      expect(
        String(service.environment!['KAFKA_BROKERS'])
          .split(',')
          .map((broker) => broker.split(':')[0])
          .toSorted(),
      ).toEqual(brokers.toSorted());
      expect(
        /\/\/([^?/]+)/
          .exec(String(service.environment!['EVENTSTORE_URL']))![1]!
          .split(',')
          .map((node) => node.split(':')[0])
          .toSorted(),
      ).toEqual(nodes.toSorted());
    }
  });

  it('declares every volume that is mounted, and no other; names no image without a version', () => {
    const mounted = Object.values(project.services).flatMap((service) => (service.volumes ?? []).map((volume) => volume.split(':')[0]!));
    expect(mounted.toSorted()).toEqual(Object.keys(project.volumes).toSorted());
    for (const [name, service] of Object.entries(project.services))
      if (!service.build) expect(service.image, name).toMatch(/^[\w-]+\/[\w-]+:\d+\.\d+\.\d+$/);
  });

  it('has brokers that find each other and keep what they acknowledge', () => {
    const brokers = Object.entries(project.services).filter(([name]) => name.startsWith('kafka'));
    const voters = brokers.map(([name, { environment }]) => `${environment!['KAFKA_NODE_ID']}@${name}:9093`).join(',');
    const replicas = Math.min(3, brokers.length);
    for (const [name, { environment = {} }] of brokers) {
      expect(environment).toMatchObject({
        KAFKA_CONTROLLER_QUORUM_VOTERS: voters,
        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: replicas,
        KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: replicas,
        KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: 0,
      });
      expect(String(environment['KAFKA_ADVERTISED_LISTENERS']).split(',')[0]).toMatch(
        new RegExp(`^(?:PLAINTEXT|INTERNAL)://${name}:9092$`),
      );
      if (brokers.length > 1)
        expect(environment).toMatchObject({
          KAFKA_DEFAULT_REPLICATION_FACTOR: 3,
          KAFKA_MIN_INSYNC_REPLICAS: 2,
          KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: 2,
        });
    }
  });
});

describe('docker/compose.cluster.yaml', () => {
  const { services } = compose('compose.cluster.yaml');

  it('divides all shards among the distributors', () => {
    const shards = Object.entries(services)
      .filter(([name]) => name.startsWith('distributor'))
      .flatMap(([, { environment }]) => {
        const [from, to] = String(environment!['DISTRIBUTOR_SHARDS']).split('-').map(Number) as [number, number];
        return Array.from({ length: to - from + 1 }, (_, i) => from + i);
      });
    expect(shards.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, i) => i));
  });

  it('has brokers that allow nobody but the NVA without a rule, and a listener of their own for NVEs', () => {
    const brokers = Object.entries(services).filter(([name]) => name.startsWith('kafka'));
    for (const [i, [name, { environment, ports }]] of brokers.entries()) {
      expect(environment, name).toMatchObject({
        KAFKA_AUTHORIZER_CLASS_NAME: 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND: 'false',
        KAFKA_SUPER_USERS: 'User:nva',
        KAFKA_LISTENER_NAME_NVE_SASL_ENABLED_MECHANISMS: 'SCRAM-SHA-256',
      });
      for (const listener of String(environment!['KAFKA_LISTENER_SECURITY_PROTOCOL_MAP']).split(','))
        expect(listener, name).toMatch(/^(?:INTERNAL|CONTROLLER|NVE):SASL_PLAINTEXT$/);
      // The one that is published is the one of NVEs, under the port that brokers tell them.
      expect(ports, name).toEqual([`${19_091 + i}:9094`]);
      expect(environment!['KAFKA_LISTENERS']).toBe('INTERNAL://:9092,CONTROLLER://:9093,NVE://:9094');
      expect(String(environment!['KAFKA_ADVERTISED_LISTENERS'])).toMatch(
        new RegExp(`,NVE://\\$\\{NVE_KAFKA_HOST:-127\\.0\\.0\\.1\\}:${19_091 + i}$`),
      );
    }
    for (const [name, service] of Object.entries(services).filter(([other]) => other.startsWith('distributor'))) {
      const config = readConfig(environmentOf(service), ['distributor']);
      expect(config.kafkaAcls, name).toEqual({ principal: 'User:nve-{nveId}', graceS: 60, commands: false, tokenFile: expect.any(String) });
      expect(config.kafkaSecurity.sasl, name).toMatchObject({ mechanism: 'plain', username: 'nva' });
    }
  });

  it('has each node of KurrentDB know the others', () => {
    const nodes = Object.keys(services).filter((name) => name.startsWith('kurrentdb'));
    for (const name of nodes) {
      const { environment } = services[name]!;
      expect(String(environment!['KURRENTDB_GOSSIP_SEED']).split(',')).toEqual(
        nodes.filter((other) => other !== name).map((other) => `${other}:2113`),
      );
      expect(environment).toMatchObject({ KURRENTDB_CLUSTER_SIZE: nodes.length });
    }
  });
});
