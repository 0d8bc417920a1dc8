import { setTimeout as sleep } from 'node:timers/promises';
import { createRecordCodec } from '@nva/codec';
import { Distributor } from '@nva/distributor';
import type { Command } from '@nva/domain';
import { recordsOf } from '@nva/fold';
import { KafkaFeedAccess, KafkaFeedWriter } from '@nva/kafka';
import { silentLogger, systemClock } from '@nva/ports';
import { until } from '@nva/processes';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createService, readConfig, ROLES } from '../../apps/service/src/index.ts';
import { temporaryDirectory } from '../../apps/service/test/support.ts';
import { RawUser, startSecuredBroker, userOf } from '../../libs/kafka/test/secured-broker.ts';
import {
  answer,
  attach,
  detach,
  ManualClock,
  nve,
  openLog,
  startNode,
  vn,
  type LogFixture,
  type Node,
} from '../../libs/registrar/test/harness.ts';
import { NVA, type RunningBroker } from '../kafka/broker.ts';
import { LocalNve } from './nves.ts';

const DENIED = 'TOPIC_AUTHORIZATION_FAILED';
const GRACE_MS = 400;
const LOOK_EVERY_MS = 300;

let broker: RunningBroker;
let nva: RawUser;
beforeAll(async () => {
  broker = await startSecuredBroker(['a', 'b']);
  nva = new RawUser([broker.brokers]);
});
afterAll(() => broker?.stop());

let prefix: string;
let tests = 0;
let log: LogFixture;
let node: Node;
let distributor: Distributor;
const clients = new Map<string, LocalNve>();
const failures: unknown[] = [];

/** `<nveId> <vnid>`: what heartbeats name though the NVE has left. */
const naming = new Set<string>();
/** What a heartbeat of the NVE would name; one that is not there names nothing. */
const stillFollows = async (nveId: string, vnid: number): Promise<boolean> =>
  naming.has(`${nveId} ${vnid}`) ||
  (clients
    .get(nveId)
    ?.client.applied()
    .some((applied) => applied.vnid === vnid) ??
    false);

async function start(): Promise<void> {
  const connection = { brokers: [broker.brokers], sasl: NVA, prefix };
  node = await startNode(log.store, new ManualClock());
  distributor = new Distributor(new KafkaFeedWriter(connection), node.replica, log.store, silentLogger, {
    adopt: false,
    access: { access: new KafkaFeedAccess(connection), clock: systemClock, graceMs: GRACE_MS, lookEveryMs: LOOK_EVERY_MS, stillFollows },
  });
  await distributor.start((cause) => failures.push(cause));
}

async function stop(): Promise<void> {
  await distributor.stop();
  await node.stop();
}

async function submit(...commands: Command[]): Promise<void> {
  for (const outcome of await node.submit(...commands)) answer(outcome);
  await until('all is published', () =>
    distributor.queuedRecords === 0 && distributor.publishedPosition === node.replica.network.position ? null : 'not yet',
  );
}

function follow(nveId: string): LocalNve {
  const client = new LocalNve({ brokers: [broker.brokers], prefix, sasl: userOf(nveId) }, nveId);
  clients.set(nveId, client);
  return client;
}

const topic = (vnid: number): string => `${prefix}.vn.${vnid}`;
let reads = 0;
/** As the NVE, with its own password, by kafkajs alone. */
const read = (nveId: string, of: string): Promise<string[] | string> =>
  new RawUser([broker.brokers], userOf(nveId)).read(of, `${prefix}-nve-${nveId}:raw-${reads++}`);
const denied = (nveId: string, of: string): Promise<void> =>
  until(`${nveId} is denied ${of}`, async () => ((await read(nveId, of)) === DENIED ? null : 'it still reads it'));

/** The NVE’s tables are what the fold says, VN by VN. */
const converged = (client: LocalNve): Promise<void> =>
  until(`${client.nveId} holds what the fold says`, async () => {
    const { network } = node.replica;
    const due = [...(network.nves.get(client.nveId)?.memberships.keys() ?? [])].toSorted((x, y) => x - y);
    const held = await client.state();
    if (JSON.stringify(held.map(({ vnid }) => vnid)) !== JSON.stringify(due)) return `in ${held.map(({ vnid }) => vnid)}, not ${due}`;
    for (const { vnid, entries } of held) {
      const [keys, wanted] = [
        entries.map(([key, at]) => `${key}@${at}`),
        [...recordsOf(network, { kind: 'vn', vnid })].map(({ key, position }) => `${key}@${position}`),
      ].map((list) => list.toSorted().join());
      if (keys !== wanted) return `VN ${vnid}: ${keys} is not ${wanted}`;
    }
    return null;
  });

async function takeAway(nveId: string, of: string): Promise<void> {
  const filter = { principal: `User:${nveId}`, resourceName: of, resourceType: 2, resourcePatternType: 3, operation: 1, permissionType: 1 };
  await nva.asAdmin((admin) => admin.deleteAcls({ filters: [filter] }));
}

beforeEach(async () => {
  prefix = `t${tests++}`;
  failures.length = 0;
  log = await openLog(new ManualClock());
  await start();
  await submit(vn(1), vn(3), nve('a'), nve('b'));
});
afterEach(async () => {
  for (const client of clients.values()) await client.close();
  clients.clear();
  await stop();
  await log.dispose();
  expect(failures).toEqual([]);
});

describe('brokers that know who reads', () => {
  it('deny an NVE a VN that it is not in: before it joins, after it has left, and whoever else is in it', async () => {
    await submit(attach('t1', 'b', 1));
    expect(await read('b', topic(1))).toContain('member/b');
    expect(await read('a', topic(1))).toBe(DENIED);
    expect(await read('a', `${prefix}.nve.b`)).toBe(DENIED);

    await submit(attach('t2', 'a', 2));
    expect(await read('a', topic(1))).toContain('member/a');

    await submit(detach('t2', 'a'));
    expect(await read('a', topic(1)), 'within the grace time').toContain('member/b');
    await denied('a', topic(1));
    expect(await read('b', topic(1))).toContain('member/b');
    expect(await read('a', `${prefix}.nve.a`)).toContain('vn/1');
  });

  it('let an NVE read as soon as it is told of a VN: whoever tries at once is not denied once (X8)', async () => {
    const codec = createRecordCodec();
    const consumer = new RawUser([broker.brokers], userOf('a')).client.consumer({ groupId: `${prefix}-nve-a:eager`, maxWaitTimeInMs: 20 });
    const eager = new RawUser([broker.brokers], userOf('a'));
    const came: unknown[] = [];
    await consumer.connect();
    await consumer.subscribe({ topics: [`${prefix}.nve.a`], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        if (!message.value) return;
        const { type, data } = codec.decode(message.value) as { type: string; data: { topic: string } };
        expect(type).toBe('Membership');
        const seen = await eager.attempt((admin) => admin.fetchTopicMetadata({ topics: [data.topic] }));
        came.push(
          typeof seen === 'string' ? seen : data.topic,
          typeof seen === 'string' ? seen : Array.isArray(await eager.read(data.topic, `${prefix}-nve-a:${data.topic}`)),
        );
      },
    });
    const vnids = Array.from({ length: 8 }, (_, i) => 11 + i);
    for (const vnid of vnids)
      await submit(vn(vnid), attach(`t${vnid}`, 'a', 1, { bindings: [{ vnid, ip: '192.0.2.1' }], mac: `02:00:00:00:01:${vnid}` }));
    await until('all have been tried', () => (came.length === 2 * vnids.length ? null : `${came.length}`));
    expect(came).toEqual(vnids.flatMap((vnid) => [topic(vnid), true]));
    await consumer.disconnect();
  });

  it('let NVEs converge while rights come and go with a tenant system that moves (R36)', async () => {
    const [a, b] = [follow('a'), follow('b')];
    await submit(attach('t1', 'a', 1));
    await Promise.all([converged(a), converged(b)]);
    await submit(attach('t1', 'b', 1), attach('t2', 'a', 2, { bindings: [{ vnid: 3, ip: '192.0.2.2' }] }));
    await Promise.all([converged(a), converged(b)]);
    expect([...b.client.memberships.keys()]).toEqual([1]);
    await denied('a', topic(1));
    await submit(attach('t1', 'a', 1));
    await Promise.all([converged(a), converged(b)]);
    expect([...a.client.memberships.keys()].toSorted()).toEqual([1, 3]);
    await denied('b', topic(1));
  });

  it('lose a right by hand: the NVE forwards with what it has, its other VNs go on, and the right comes back (X6)', async () => {
    const a = follow('a');
    await submit(attach('t1', 'a', 1), attach('t2', 'a', 2, { bindings: [{ vnid: 3, ip: '192.0.2.2' }] }), attach('t5', 'b', 5));
    await converged(a);
    await stop();
    await takeAway('a', topic(1));
    await until('the NVE has noticed', () =>
      a.logged.some(({ level, message }) => level === 'warn' && message.startsWith(`Topic ${topic(1)} cannot be followed`))
        ? null
        : 'not yet',
    );
    expect(a.client.resolve(1, { ip: '192.0.2.5' })).toMatchObject({ outcome: 'remote' });
    expect(a.withdrawn).toEqual([]);

    // A distributor that starts grants what lacks.
    await start();
    expect(await read('a', topic(1))).toContain('member/a');
    await submit(attach('t3', 'b', 3));
    await converged(a);

    // And one that runs restores it.
    await takeAway('a', topic(1));
    await until('the right is there again', async () => (Array.isArray(await read('a', topic(1))) ? null : 'denied'));
    await submit(attach('t4', 'b', 4, { bindings: [{ vnid: 3, ip: '192.0.2.4' }] }));
    await converged(a);
    expect(a.withdrawn).toEqual([]);
  });

  it('keep a right while heartbeats name the VN, and no longer', async () => {
    naming.add('a 1');
    await submit(attach('t1', 'a', 1));
    await submit(detach('t1', 'a'));
    await sleep(3 * GRACE_MS);
    expect(await read('a', topic(1))).toContain('member/a');
    naming.clear();
    await denied('a', topic(1));
  });
});

describe('a whole NVA, told by its environment to log in and to keep rights', () => {
  it('grants, heeds heartbeats, revokes, and says no password', async () => {
    const directory = await temporaryDirectory();
    const said: string[] = [];
    const say = (message: string, fields?: object): void =>
      void said.push(
        `${message} ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? `${value.message} ${value.stack} ${String(value.cause)}` : value))}`,
      );
    const own = `${prefix}-whole`;
    const env = {
      PORT: '0',
      DATA_DIR: directory.path,
      FEED_PREFIX: own,
      KAFKA_BROKERS: broker.brokers,
      KAFKA_ACLS: 'true',
      ACL_GRACE_S: '1',
      KAFKA_SASL_USERNAME: NVA.username,
      KAFKA_SASL_PASSWORD: NVA.password,
    };
    const service = await createService(readConfig(env), ROLES, {
      logger: { debug: say, info: say, warn: say, error: say },
      failed: (cause) => failures.push(cause),
    });
    const call = async (method: string, path: string, body?: object): Promise<void> => {
      const response = await fetch(`${service.url}/v1${path}`, {
        method,
        ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      expect(response.status, await response.text()).toBeLessThan(300);
    };
    const heartbeat = (vnids: number[]): Promise<void> =>
      call('POST', '/nves/a/heartbeat', {
        incarnation: 1,
        applied: vnids.map((vnid) => ({ vnid, log: service.core.store.logId, position: '1', digest: '0'.repeat(16) })),
      });
    const readVn = (): Promise<string[] | string> =>
      new RawUser([broker.brokers], userOf('a')).read(`${own}.vn.1`, `${own}-nve-a:raw-${reads++}`);

    await call('PUT', '/vns/1', { tenantId: 'red', name: 'web', service: 'l3', encapsulation: 'vxlan' });
    await call('PUT', '/nves/a', { siteId: 's', mac: '02:00:5e:00:00:01', addresses: ['198.51.100.1'], incarnation: 1, leaseS: 60 });
    await call('PUT', '/nves/a/tenant-systems/t1', {
      tenantId: 'red',
      vmId: 'v',
      mac: '02:00:5e:10:00:01',
      bindings: [{ vnid: 1, ip: '192.0.2.1' }],
    });
    await until('the NVE reads its VN', async () => (Array.isArray(await readVn()) ? null : 'denied'));
    await heartbeat([1]);
    await call('DELETE', '/nves/a/tenant-systems/t1');
    await sleep(2_000);
    expect(await readVn()).toContain('member/a');
    await heartbeat([]);
    await until('the right has gone', async () => ((await readVn()) === DENIED ? null : 'it still reads'));
    await service.close();
    await directory.remove();

    const wrong = { ...env, DATA_DIR: directory.path, KAFKA_SASL_PASSWORD: 'wr0ng-s3cret' };
    const ended: unknown[] = [];
    const refused = await createService(readConfig(wrong), ROLES, {
      logger: { debug: say, info: say, warn: say, error: say },
      failed: (cause) => ended.push(cause),
    });
    await until('it ends', () => (ended.length > 0 ? null : 'not yet'));
    await refused.close();
    await directory.remove();
    expect(String(ended[0])).toMatch(/SASL|authentication/i);
    expect(said.length).toBeGreaterThan(0);
    expect([...said, ...ended.map(String)].filter((line) => line.includes(NVA.password) || line.includes('wr0ng-s3cret'))).toEqual([]);
  });
});
