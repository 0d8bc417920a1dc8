import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { GappedEventStore } from '@nva/event-log/testing';
import { silentLogger } from '@nva/ports';
import { freePort, until } from '@nva/processes';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createService, readConfig, ROLES, type Service } from '../../apps/service/src/index.ts';
import { RawUser } from '../../libs/kafka/test/secured-broker.ts';
import { startBroker, type RunningBroker } from '../kafka/broker.ts';

const PASSWORD = 'nva-secret';
const DENIED = 'TOPIC_AUTHORIZATION_FAILED';

interface Compose {
  readonly services: Readonly<Record<string, { readonly environment: Readonly<Record<string, string | number>> }>>;
}

/** As `docker compose` puts variables into the file. */
const interpolated = (text: string): string =>
  text.replaceAll(/\$\{KAFKA_NVA_PASSWORD[^}]*\}/g, PASSWORD).replaceAll('${NVE_KAFKA_HOST:-127.0.0.1}', '127.0.0.1');

/** As the image makes properties of variables (Kafka, «Kafka Docker Image Usage Guide»). */
const propertyOf = (variable: string): string =>
  variable.replace('KAFKA_', '').toLowerCase().replaceAll('_', '.').replaceAll('...', '-').replaceAll('..', '_');

let directory: string;
let compose: Compose;
let broker: RunningBroker;
let forNves: string;
let service: Service;
let store: GappedEventStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-compose-'));
  compose = parse(interpolated(await readFile(join(import.meta.dirname, '../../docker/compose.cluster.yaml'), 'utf8')), {
    merge: true,
  }) as Compose;
  const [internal, controller, nves] = [await freePort(), await freePort(), await freePort()];
  const variables = Object.entries(compose.services['kafka-1']!.environment).filter(([name]) => name.startsWith('KAFKA_'));
  broker = await startBroker({
    port: internal,
    overrides: {
      ...Object.fromEntries(variables.map(([name, value]) => [propertyOf(name), value])),
      // One broker on this machine instead of three on theirs.
      'listeners': `INTERNAL://127.0.0.1:${internal},CONTROLLER://127.0.0.1:${controller},NVE://127.0.0.1:${nves}`,
      'advertised.listeners': `INTERNAL://127.0.0.1:${internal},NVE://127.0.0.1:${nves}`,
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      'log.dirs': join(directory, 'kafka'),
      'default.replication.factor': 1,
      'min.insync.replicas': 1,
      'offsets.topic.replication.factor': 1,
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.min.isr': 1,
    },
    dataDir: directory,
    scramUsers: { 'nve-a': 'a-secret', 'nve-b': 'b-secret' },
  });
  forNves = `127.0.0.1:${nves}`;
  store = new GappedEventStore({ codec: createEventCodec(), seed: 1 });
  const { environment } = compose.services['distributor-1']!;
  const taken = Object.fromEntries(
    Object.entries(environment)
      .filter(([name]) => /^KAFKA_(?:SASL|ACLS|PRINCIPAL)/.test(name))
      .map(([name, value]) => [name, String(value)]),
  );
  service = await createService(
    readConfig({ PORT: '0', DATA_DIR: join(directory, 'data'), ...taken, KAFKA_BROKERS: broker.brokers, SNAPSHOT_EVERY_EVENTS: '0' }),
    ROLES,
    {
      logger: silentLogger,
      store,
      failed: (cause) => {
        throw cause;
      },
    },
  );
}, 300_000);
afterAll(async () => {
  await service?.close();
  await store?.close();
  await broker?.stop();
  await rm(directory, { recursive: true, force: true });
});

const call = async (path: string, body: object): Promise<void> => {
  const response = await fetch(`${service.url}/v1${path}`, {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  expect(response.status, await response.text()).toBeLessThan(300);
};
const user = (nveId: string): RawUser =>
  new RawUser([forNves], { mechanism: 'scram-sha-256', username: `nve-${nveId}`, password: `${nveId}-secret` });
let reads = 0;
const read = (nveId: string, topic: string): Promise<string[] | string> => user(nveId).read(topic, `nvo3-nve-${nveId}:${reads++}`);

it('the brokers of docker/compose.cluster.yaml start as they are configured, and keep NVEs apart', async () => {
  await call('/vns/1', { tenantId: 'red', name: 'web', service: 'l3', encapsulation: 'vxlan' });
  for (const [i, nveId] of ['a', 'b'].entries())
    await call(`/nves/${nveId}`, { siteId: 's', mac: `02:00:5e:00:00:0${i}`, addresses: [`198.51.100.${1 + i}`] });
  await call('/nves/a/tenant-systems/t1', {
    tenantId: 'red',
    vmId: 'v',
    mac: '02:00:5e:10:00:01',
    bindings: [{ vnid: 1, ip: '192.0.2.1' }],
  });
  await until('a reads its VN', async () => (Array.isArray(await read('a', 'nvo3.vn.1')) ? null : 'denied'), 60_000);
  expect(await read('a', 'nvo3.nve.a')).toEqual(['vn/1']);
  for (const topic of ['nvo3.vn.1', 'nvo3.nve.a']) expect(await read('b', topic), topic).toBe(DENIED);
  expect(await user('b').write('nvo3.vn.1')).toBe(DENIED);
  // Nobody comes in without a name, and no NVE where the NVA does.
  await expect(
    new RawUser([broker.brokers], { mechanism: 'scram-sha-256', username: 'nve-a', password: 'a-secret' }).topics(),
  ).rejects.toThrow();
  await expect(new RawUser([broker.brokers], { mechanism: 'plain', username: 'nva', password: 'guessed' }).topics()).rejects.toThrow(
    /authentication/i,
  );
  await expect(new RawUser([forNves], { mechanism: 'scram-sha-256', username: 'nve-a', password: 'guessed' }).topics()).rejects.toThrow(
    /authentication/i,
  );
}, 300_000);
