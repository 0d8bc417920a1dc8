import { FeedRefused, type FeedRight } from '@nva/ports';
import { until } from '@nva/processes';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { member, membership, nve, vn } from '../../../test/contract/feed-records.ts';
import { NVA, type RunningBroker } from '../../../test/kafka/broker.ts';
import { kafkaBrokers } from '../../../test/kafka/brokers.ts';
import { KafkaCommandTransport, KafkaFeedAccess, KafkaFeedWriter } from '../src/index.ts';
import { RawUser, startSecuredBroker, userOf } from './secured-broker.ts';
import { makeTopics } from '../../../test/kafka/made-topics.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
const DENIED = 'TOPIC_AUTHORIZATION_FAILED';
const GROUP_DENIED = 'GROUP_AUTHORIZATION_FAILED';

const own = (nveId: string): FeedRight => ({ nveId, feed: nve(nveId) });
const toVn = (nveId: string, vnid: number): FeedRight => ({ nveId, feed: vn(vnid) });
const listed = (...rights: FeedRight[]): unknown[] => rights.map((right) => ({ ...right, whole: true }));

/** A broker of its own starts, which other work on the machine delays. */
const BROKER_LIMIT_MS = 240_000;

let broker: RunningBroker;
let brokers: string[];
let nva: RawUser;
let access: KafkaFeedAccess;
let writer: KafkaFeedWriter;
beforeAll(async () => {
  broker = await startSecuredBroker(['a', 'a1', 'a-1', 'b']);
  brokers = [broker.brokers];
  nva = new RawUser(brokers);
  access = new KafkaFeedAccess({ brokers, sasl: NVA });
  writer = new KafkaFeedWriter({ brokers, sasl: NVA });
  await writer.open();
  await writer.ensure([vn(1), vn(2), ...['a', 'a1', 'a-1', 'b'].map(nve)]);
  await writer.publish([1, 2].map((vnid) => ({ feed: vn(vnid), records: [member(`m${vnid}`, 1)] })));
  await writer.publish(['a', 'b'].map((nveId) => ({ feed: nve(nveId), records: [membership(1, 1)] })));
}, BROKER_LIMIT_MS);
afterAll(async () => {
  await writer?.close();
  await access?.close();
  await broker?.stop();
});
beforeEach(async () => {
  const every = {
    operation: AclOperationTypes.ANY,
    permissionType: AclPermissionTypes.ANY,
    resourceType: AclResourceTypes.ANY,
    resourcePatternType: ResourcePatternTypes.ANY,
  };
  await nva.asAdmin(async (admin) => {
    await admin.deleteAcls({ filters: [every] });
    // Brokers hear of it a little later.
    await until('no rule is left', async () => ((await admin.describeAcls(every)).resources.length === 0 ? null : 'some are'));
  });
});

describe('an NVE on brokers with an authoriser', () => {
  const a = (): RawUser => new RawUser(brokers, userOf('a'));

  it('reads nothing and sees nothing without a right, and is nobody with a wrong password', async () => {
    expect(await a().topics()).toEqual([]);
    for (const topic of ['nvo3.nve.a', 'nvo3.schemas', 'nvo3.vn.1']) expect(await a().read(topic, 'nvo3-nve-a:1'), topic).toBe(DENIED);
    const impostor = new RawUser(brokers, { ...userOf('a'), password: 'guessed' });
    await expect(impostor.topics()).rejects.toThrow(/authentication failed/i);
  });

  it('reads its own feed, the schemas and its VNs, and is told of no other topic', async () => {
    await access.grant([own('a'), toVn('a', 1)]);
    expect(await a().topics()).toEqual(['nvo3.nve.a', 'nvo3.schemas', 'nvo3.vn.1']);
    expect(await a().read('nvo3.nve.a', 'nvo3-nve-a:1')).toEqual(['vn/1']);
    expect(await a().read('nvo3.vn.1', 'nvo3-nve-a:2')).toEqual(['member/m1']);
    expect((await a().read('nvo3.schemas', 'nvo3-nve-a:schemas-1')).length).toBeGreaterThan(0);
    for (const topic of ['nvo3.vn.2', 'nvo3.nve.b', 'nvo3.nve.a1', 'nvo3.distributor'])
      expect(await a().read(topic, 'nvo3-nve-a:3'), topic).toBe(DENIED);
  });

  it('cannot read a VN before it is granted, can during, and cannot after: at once, each time', async () => {
    await access.grant([own('b')]);
    const b = new RawUser(brokers, userOf('b'));
    for (let round = 0; round < 3; round++) {
      expect(await b.read('nvo3.vn.2', `nvo3-nve-b:${round}-0`)).toBe(DENIED);
      await access.grant([toVn('b', 2)]);
      expect(await b.read('nvo3.vn.2', `nvo3-nve-b:${round}-1`)).toEqual(['member/m2']);
      await access.revoke([toVn('b', 2)]);
      expect(await b.read('nvo3.vn.2', `nvo3-nve-b:${round}-2`)).toBe(DENIED);
    }
  });

  it('writes nowhere, makes and deletes nothing, and gives itself no rights', async () => {
    await access.grant([own('a'), toVn('a', 1)]);
    for (const topic of ['nvo3.nve.a', 'nvo3.schemas', 'nvo3.vn.1', 'nvo3.vn.2', 'nvo3.distributor'])
      expect(await a().write(topic), topic).toBe(DENIED);
    expect(await a().attempt((admin) => admin.createTopics({ topics: [{ topic: 'nvo3.vn.9', numPartitions: 1 }] }))).toBe(DENIED);
    expect(await a().attempt((admin) => admin.deleteTopics({ topics: ['nvo3.vn.1'] }))).toBe(DENIED);
    const rule = {
      principal: 'User:a',
      host: '*',
      operation: AclOperationTypes.ALL,
      permissionType: AclPermissionTypes.ALLOW,
      resourceType: AclResourceTypes.TOPIC,
      resourceName: 'nvo3.',
      resourcePatternType: ResourcePatternTypes.PREFIXED,
    };
    expect(await a().attempt((admin) => admin.createAcls({ acl: [rule] }))).toBe('CLUSTER_AUTHORIZATION_FAILED');
    expect(await a().attempt((admin) => admin.describeAcls({ ...rule, operation: AclOperationTypes.ANY }))).toBe(
      'CLUSTER_AUTHORIZATION_FAILED',
    );
  });

  it('joins its own consumer groups alone: not those of an NVE whose id begins with its own', async () => {
    await access.grant(['a', 'a1', 'a-1', 'b'].map(own));
    await access.grant(['a', 'a1', 'a-1', 'b'].map((nveId) => toVn(nveId, 1)));
    for (const other of ['a1', 'a-1', 'b']) {
      expect(await a().read('nvo3.vn.1', `nvo3-nve-${other}:1`), other).toBe(GROUP_DENIED);
      expect(await new RawUser(brokers, userOf(other)).read('nvo3.vn.1', `nvo3-nve-${other}:1`), other).toEqual(['member/m1']);
      expect(await new RawUser(brokers, userOf(other)).read('nvo3.vn.1', 'nvo3-nve-a:1'), other).toBe(GROUP_DENIED);
    }
    for (const group of ['nvo3-nve-a', 'nvo3-read-1', 'anything']) expect(await a().read('nvo3.vn.1', group), group).toBe(GROUP_DENIED);
  });
});

describe('commands over Kafka, on brokers with an authoriser', () => {
  let withCommands: KafkaFeedAccess;
  beforeAll(async () => {
    withCommands = new KafkaFeedAccess({ brokers, sasl: NVA, commands: true });
    await nva.asAdmin((admin) =>
      makeTopics(
        admin,
        ['nvo3.commands', 'nvo3.nve.a.outcomes', 'nvo3.nve.b.outcomes'].map((topic) => ({ topic, numPartitions: 1 })),
      ),
    );
    for (const nveId of ['a', 'b']) expect(await nva.write(`nvo3.nve.${nveId}.outcomes`)).toBe('written');
  });
  afterAll(() => withCommands?.close());
  const user = (nveId: string): RawUser => new RawUser(brokers, userOf(nveId));

  it('can be sent by an NVE that has its rights, which reads the outcomes of its own and of nobody else’s, and no command', async () => {
    await access.grant([own('a')]);
    expect(await user('a').write('nvo3.commands'), 'where commands are off').toBe(DENIED);
    expect(await user('a').read('nvo3.nve.a.outcomes', 'nvo3-nve-a:1')).toBe(DENIED);

    await withCommands.grant(['a', 'b'].map(own));
    expect(await user('a').topics()).toEqual(['nvo3.commands', 'nvo3.nve.a', 'nvo3.nve.a.outcomes', 'nvo3.schemas']);
    for (const [nveId, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      expect(await user(nveId).write('nvo3.commands')).toBe('written');
      expect(await user(nveId).read(`nvo3.nve.${nveId}.outcomes`, `nvo3-nve-${nveId}:outcomes-1`)).toEqual(['k']);
      expect(await user(nveId).read(`nvo3.nve.${other}.outcomes`, `nvo3-nve-${nveId}:2`)).toBe(DENIED);
      expect(await user(nveId).read('nvo3.commands', `nvo3-nve-${nveId}:3`)).toBe(DENIED);
      for (const topic of [`nvo3.nve.${nveId}.outcomes`, `nvo3.nve.${other}.outcomes`])
        expect(await user(nveId).write(topic), topic).toBe(DENIED);
      expect(await user(nveId).read(`nvo3.nve.${nveId}.outcomes`, 'nvo3-registrars')).toBe(GROUP_DENIED);
    }
  });

  it('are rights that lack where commands were switched on later, and go with the NVE where they were switched off', async () => {
    await access.grant([own('a')]);
    expect(await withCommands.list()).toEqual([{ ...own('a'), whole: false }]);
    await withCommands.grant([own('a')]);
    expect(await withCommands.list()).toEqual(listed(own('a')));
    expect(await access.list()).toEqual(listed(own('a')));
    await access.revoke([own('a')]);
    expect(await withCommands.list()).toEqual([]);
    expect(await user('a').write('nvo3.commands')).toBe(DENIED);
  });

  it('are sent and answered by the NVE’s library', async () => {
    await withCommands.grant([own('a')]);
    const transport = new KafkaCommandTransport({ brokers, sasl: userOf('a'), nveId: 'a' });
    const came: string[] = [];
    await transport.open((value) => came.push(value.toString()));
    await transport.send({ key: 'k', value: Buffer.from('v'), headers: {}, timestamp: Date.now() });
    expect(await nva.write('nvo3.nve.a.outcomes')).toBe('written');
    await until('the outcome came', () => (came.length > 0 ? null : 'not yet'));
    expect(came).toEqual(['v']);
    await transport.close();
    const stranger = new KafkaCommandTransport({ brokers, sasl: userOf('b'), nveId: 'a' });
    await expect(stranger.open(() => undefined)).rejects.toThrow(FeedRefused);
    await stranger.close();
  });
});

describe('rights', () => {
  it('are listed as granted, given twice or taken twice, whole or in part', async () => {
    for (let twice = 0; twice < 2; twice++) await access.grant([own('a'), toVn('a', 1), toVn('b', 1)]);
    expect(await access.list()).toEqual(expect.arrayContaining(listed(own('a'), toVn('a', 1), toVn('b', 1))));
    expect(await access.list()).toHaveLength(3);
    const part = {
      principal: 'User:b',
      host: '*',
      operation: AclOperationTypes.READ,
      permissionType: AclPermissionTypes.ALLOW,
      resourceType: AclResourceTypes.TOPIC,
      resourceName: 'nvo3.vn.1',
      resourcePatternType: ResourcePatternTypes.LITERAL,
    };
    await nva.asAdmin((admin) => admin.deleteAcls({ filters: [part] }));
    await until('a part is gone', async () => ((await access.list()).some(({ whole }) => !whole) ? null : 'not yet'));
    expect(await access.list()).toContainEqual({ ...toVn('b', 1), whole: false });
    for (let twice = 0; twice < 2; twice++) await access.revoke([own('a'), toVn('a', 1), toVn('b', 1)]);
    expect(await access.list()).toEqual([]);
  });

  it('leave an operator’s rules of other forms alone, and take one of this form for their own', async () => {
    const rule = {
      host: '*',
      permissionType: AclPermissionTypes.ALLOW,
      resourceType: AclResourceTypes.TOPIC,
      resourceName: 'nvo3.vn.1',
      resourcePatternType: ResourcePatternTypes.LITERAL,
      operation: AclOperationTypes.READ,
    };
    const operators = [
      { ...rule, principal: 'User:CN=monitor' },
      { ...rule, principal: 'User:b', permissionType: AclPermissionTypes.DENY },
      { ...rule, principal: 'User:b', operation: AclOperationTypes.WRITE },
      { ...rule, principal: 'User:b', resourceName: 'nvo3.', resourcePatternType: ResourcePatternTypes.PREFIXED },
      { ...rule, principal: 'User:b', resourceName: 'other.vn.1' },
      { ...rule, principal: 'User:b', host: '127.0.0.1' },
    ];
    await nva.asAdmin((admin) => admin.createAcls({ acl: operators }));
    expect(await access.list()).toEqual([]);
    await nva.asAdmin((admin) => admin.createAcls({ acl: [{ ...rule, principal: 'User:b', resourceName: 'nvo3.nve.a' }] }));
    await until('it is listed', async () => ((await access.list()).length > 0 ? null : 'not yet'));
    expect(await access.list()).toEqual([{ nveId: 'b', feed: nve('a'), whole: false }]);
  });

  it('of thousands are in force when the call returns', async () => {
    const many = Array.from({ length: 1_500 }, (_, i) => toVn(`n${i % 100}`, 1 + i));
    await access.grant(many);
    expect(await access.list()).toHaveLength(1_500);
    await access.revoke(many);
    expect(await access.list()).toEqual([]);
  });

  it('are of principals by a template that has the id in it once', async () => {
    const named = new KafkaFeedAccess({ brokers, sasl: NVA, principal: 'User:CN={nveId},O=lab' });
    await named.grant([toVn('a', 1)]);
    expect(await named.list()).toEqual(listed(toVn('a', 1)));
    expect(await access.list()).toEqual([]);
    await named.close();
    for (const principal of ['User:nve', '{nveId}', 'User:{nveId}-{nveId}', ''])
      expect(() => new KafkaFeedAccess({ brokers, principal }), principal).toThrow(FeedRefused);
  });

  it('are refused by brokers without an authoriser, and to whom may not give them', async () => {
    const open = new KafkaFeedAccess({ brokers: await kafkaBrokers() });
    await expect(open.list()).rejects.toThrow(FeedRefused);
    await expect(open.grant([toVn('a', 1)])).rejects.toThrow(FeedRefused);
    await open.close();
    const unprivileged = new KafkaFeedAccess({ brokers, sasl: userOf('a') });
    await expect(unprivileged.grant([toVn('a', 1)])).rejects.toThrow(FeedRefused);
    await unprivileged.close();
  });
});
