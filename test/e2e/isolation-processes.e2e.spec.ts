import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEventCodec } from '@nva/codec';
import { GappedEventStore } from '@nva/event-log/testing';
import { KafkaCommandTransport } from '@nva/kafka';
import { KafkaCommands } from '@nva/nve';
import { silentLogger } from '@nva/ports';
import { freePort, until } from '@nva/processes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createService, readConfig, type Role, type Service } from '../../apps/service/src/index.ts';
import { temporaryDirectory } from '../../apps/service/test/support.ts';
import { RawUser, startSecuredBroker, userOf } from '../../libs/kafka/test/secured-broker.ts';
import { NVA, type RunningBroker } from '../kafka/broker.ts';

const DENIED = 'TOPIC_AUTHORIZATION_FAILED';
const GRACE_MS = 3_000;
/** Of shards 1 and 40: one distributor's and the other's. */
const [LOW, HIGH] = [1, 40];

const TOKEN = 'operators-token';
const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` };
const secretOf = (nveId: string): Buffer => createHash('sha256').update(nveId).digest();

/**
 * A registrar and two distributors with half of the shards each, over one log: only the registrar hears heartbeats, and is asked
 * for what they said.
 */
let broker: RunningBroker;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let store: GappedEventStore;
let registrar: Service;
const distributors = new Map<string, Service>();
const failures: unknown[] = [];
let reads = 0;

async function start(role: Role, env: Record<string, string> = {}): Promise<Service> {
  const config = readConfig(
    {
      PORT: '0',
      DATA_DIR: join(directory.path, role),
      EVENTSTORE_URL: 'esdb://127.0.0.1:1',
      ADVERTISED_URL: 'http://127.0.0.1:1',
      SNAPSHOT_EVERY_EVENTS: '0',
      KAFKA_BROKERS: broker.brokers,
      KAFKA_SASL_USERNAME: NVA.username,
      KAFKA_SASL_PASSWORD: NVA.password,
      KAFKA_ACLS: 'true',
      ACL_GRACE_S: String(GRACE_MS / 1_000),
      KAFKA_COMMANDS: 'true',
      COMMAND_KEYS_FILE: join(directory.path, 'keys.json'),
      TOKENS_FILE: join(directory.path, 'tokens.json'),
      PEER_TOKEN_FILE: join(directory.path, 'peer-token'),
      ...env,
    },
    [role],
  );
  return createService(config, [role], { logger: silentLogger, store, failed: (cause) => failures.push(cause) });
}

async function register(): Promise<Service> {
  const port = await freePort();
  return start('registrar', { PORT: String(port), ADVERTISED_URL: `http://127.0.0.1:${port}` });
}

async function distribute(shards: string): Promise<void> {
  const service = await start('distributor', { DISTRIBUTOR_SHARDS: shards });
  distributors.set(shards, service);
  await until(`the distributor of ${shards} is ready`, () => (service.core.ready ? null : 'not yet'));
}

async function stop(shards: string): Promise<void> {
  await distributors.get(shards)?.close();
  distributors.delete(shards);
}

const call = async (method: string, path: string, body?: object): Promise<void> => {
  const response = await fetch(`${registrar.url}/v1${path}`, {
    method,
    headers: { ...AUTHORIZATION, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  expect(response.status, await response.text()).toBeLessThan(300);
};
const topic = (vnid: number): string => `nvo3.vn.${vnid}`;
/** As the NVE, with its own password, by kafkajs alone. */
const read = (nveId: string, of: string): Promise<string[] | string> =>
  new RawUser([broker.brokers], userOf(nveId)).read(of, `nvo3-nve-${nveId}:raw-${reads++}`);
const reading = (nveId: string, of: string): Promise<void> =>
  until(`${nveId} reads ${of}`, async () => (Array.isArray(await read(nveId, of)) ? null : 'denied'));
const denied = (nveId: string, of: string): Promise<void> =>
  until(`${nveId} is denied ${of}`, async () => ((await read(nveId, of)) === DENIED ? null : 'it still reads it'));
const both = {
  bindings: [
    { bid: 1, vnid: LOW, ip: '192.0.2.1' },
    { bid: 2, vnid: HIGH, ip: '192.0.2.1' },
  ],
};
const attached = { tenantId: 'red', vmId: 'v', mac: '02:00:5e:10:00:01', ...both };
const figure = async (shards: string, name: string): Promise<number> => {
  const text = await (await fetch(`${distributors.get(shards)!.url}/metrics`, { headers: AUTHORIZATION })).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
};

beforeAll(async () => {
  broker = await startSecuredBroker(['a', 'b']);
  directory = await temporaryDirectory();
  await mkdir(directory.path, { recursive: true });
  await writeFile(
    join(directory.path, 'keys.json'),
    JSON.stringify({ nves: ['a', 'b'].map((nveId) => ({ nveId, keys: [secretOf(nveId).toString('base64')] })) }),
    { mode: 0o600 },
  );
  await writeFile(
    join(directory.path, 'tokens.json'),
    JSON.stringify({ operators: [{ name: 'peer', sha256: createHash('sha256').update(TOKEN).digest('hex') }], nves: [] }),
  );
  await writeFile(join(directory.path, 'peer-token'), `${TOKEN}\n`);
  store = new GappedEventStore({ codec: createEventCodec(), seed: 1 });
  registrar = await register();
  for (const shards of ['0-31', '32-63']) await distribute(shards);
  for (const vnid of [LOW, HIGH])
    await call('PUT', `/vns/${vnid}`, { tenantId: 'red', name: `vn${vnid}`, service: 'l3', encapsulation: 'vxlan' });
  for (const [i, nveId] of ['a', 'b'].entries())
    await call('PUT', `/nves/${nveId}`, {
      siteId: 's',
      mac: `02:00:5e:00:00:0${i}`,
      addresses: [`198.51.100.${1 + i}`],
      incarnation: 1,
      leaseS: 600,
    });
});
afterAll(async () => {
  for (const shards of distributors.keys()) await stop(shards);
  await registrar?.close();
  await store?.close();
  await directory?.remove();
  await broker?.stop();
  expect(failures).toEqual([]);
});

describe('a registrar and two distributors, on brokers that know who reads', () => {
  it('give an NVE its VNs, each distributor its own, and what it needs to send commands: nobody else reads its outcomes', async () => {
    await reading('a', 'nvo3.schemas');
    const transport = new KafkaCommandTransport({ brokers: [broker.brokers], sasl: userOf('a'), nveId: 'a' });
    const commands = new KafkaCommands({ nveId: 'a', secret: secretOf('a'), transport });
    expect(await commands.send({ command: 'attach', nveId: 'a', tsId: 't1', ...attached })).toMatchObject({ status: 200 });
    await commands.close();
    for (const vnid of [LOW, HIGH]) {
      await reading('a', topic(vnid));
      expect(await read('b', topic(vnid))).toBe(DENIED);
    }
    expect(await read('a', 'nvo3.nve.a.outcomes')).toHaveLength(1);
    for (const of of ['nvo3.nve.a.outcomes', 'nvo3.nve.a', 'nvo3.commands']) expect(await read('b', of), of).toBe(DENIED);
    // A VN each; both NVEs' own were given by whoever came first.
    for (const shards of ['0-31', '32-63']) {
      expect(await figure(shards, 'nva_feed_rights_granted_total')).toBeGreaterThanOrEqual(1);
      expect(await figure(shards, 'nva_feed_rights_waiting')).toBe(0);
      expect(await figure(shards, 'nva_feed_vns_withheld')).toBe(0);
    }
  });

  it('revoke after the grace time what the registrar hears no heartbeat name any more, each of them what is its own', async () => {
    const beat = (...vnids: number[]): Promise<void> =>
      call('POST', '/nves/a/heartbeat', {
        incarnation: 1,
        applied: vnids.map((vnid) => ({ vnid, log: store.logId, position: '1', digest: '0'.repeat(16) })),
      });
    await beat(LOW, HIGH);
    await call('DELETE', '/nves/a/tenant-systems/t1');
    await beat(LOW);
    await until('both wait', async () =>
      (await figure('0-31', 'nva_feed_rights_waiting')) + (await figure('32-63', 'nva_feed_rights_waiting')) === 2 ? null : 'not yet',
    );
    expect(await read('a', topic(HIGH)), 'within the grace time').toContain('member/a');
    await denied('a', topic(HIGH));
    await sleep(GRACE_MS);
    expect(await read('a', topic(LOW)), 'heartbeats name it').toContain('member/a');
    await beat();
    await denied('a', topic(LOW));
  });

  it('revoke by the grace time alone while no registrar answers, which a restart in the middle begins anew', async () => {
    await call('PUT', '/nves/a/tenant-systems/t1', attached);
    for (const vnid of [LOW, HIGH]) await reading('a', topic(vnid));
    await call('DELETE', '/nves/a/tenant-systems/t1');
    await registrar.close();
    await until('both wait', async () =>
      (await figure('0-31', 'nva_feed_rights_waiting')) + (await figure('32-63', 'nva_feed_rights_waiting')) === 2 ? null : 'not yet',
    );
    await stop('32-63');
    await denied('a', topic(LOW));
    await sleep(GRACE_MS);
    expect(await read('a', topic(HIGH)), 'nobody sees to it').toContain('member/a');

    await distribute('32-63');
    expect(await read('a', topic(HIGH)), 'within the successor’s grace time').toContain('member/a');
    await denied('a', topic(HIGH));
    // A revocation counts once every broker has forgotten the right, which is after this one has.
    await until('the revocations count', async () => {
      const counts = [await figure('32-63', 'nva_feed_rights_revoked_total'), await figure('0-31', 'nva_feed_rights_revoked_total')];
      return counts.join() === '1,2' ? null : `${counts.join(' and ')} counted`;
    });
    expect(await read('a', 'nvo3.nve.a')).toContain(`vn/${LOW}`);
    registrar = await register();
  });

  it('hold back what they cannot grant while the brokers are away, and give it when they are back', async () => {
    broker.kill('SIGSTOP');
    try {
      await call('PUT', '/nves/b/tenant-systems/t2', { ...attached, vmId: 'w', mac: '02:00:5e:10:00:02' });
      await until(
        'it is counted',
        async () =>
          (await figure('0-31', 'nva_feed_rights_failures_total')) + (await figure('0-31', 'nva_publish_failures_total')) > 0
            ? null
            : 'not yet',
        60_000,
      );
    } finally {
      broker.kill('SIGCONT');
    }
    for (const vnid of [LOW, HIGH]) {
      await until(`b is told of ${vnid}`, async () => ((await read('b', 'nvo3.nve.b')).includes(`vn/${vnid}`) ? null : 'not yet'), 60_000);
      expect(await read('b', topic(vnid))).not.toBe(DENIED);
      expect(await read('a', topic(vnid))).toBe(DENIED);
    }
  }, 600_000);
});
