import { FeedDenied } from '@nva/ports';
import kafkajs, { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CollectingSink } from '../../../test/contract/collecting-sink.ts';
import { member, vn } from '../../../test/contract/feed-records.ts';
import { startBroker, type RunningBroker } from '../../../test/kafka/broker.ts';
import { KafkaFeedUnderTest } from './kafka-feed.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;

describe('a broker with access rules', () => {
  let broker: RunningBroker;
  let feed: KafkaFeedUnderTest;
  beforeAll(async () => {
    broker = await startBroker({
      overrides: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'allow.everyone.if.no.acl.found': true,
        'group.initial.rebalance.delay.ms': 300,
      },
    });
    feed = new KafkaFeedUnderTest([broker.brokers]);
  });
  afterAll(async () => {
    await feed?.dispose();
    await broker?.stop();
  });

  it('denies one topic: the others go on, and it is followed once it is granted', async () => {
    const writer = feed.writer();
    await writer.open();
    await writer.ensure([vn(1), vn(2)]);
    const rule = {
      resourceType: AclResourceTypes.TOPIC,
      resourceName: `${feed.prefix}.vn.2`,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      principal: 'User:ANONYMOUS',
      host: '*',
    };
    const denied = { ...rule, operation: AclOperationTypes.READ, permissionType: AclPermissionTypes.DENY };
    const allowed = { ...rule, operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW };
    const admin = new Kafka({ brokers: [broker.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.createAcls({ acl: [allowed, denied] });

    const warned: string[] = [];
    const transport = feed.transport('n1', { log: (level, message) => level === 'warn' && warned.push(message) });
    const [busy, forbidden] = [new CollectingSink(), new CollectingSink()];
    transport.follow(vn(1), {}, busy);
    await busy.untilComplete();
    transport.follow(vn(2), {}, forbidden);
    await forbidden.until(() => forbidden.count('interrupted') === 1, 'interrupted');
    expect(forbidden.calls[0]).toMatchObject({ call: 'interrupted', cause: expect.any(FeedDenied) });
    await writer.publish([
      { feed: vn(1), records: [member('a', 1)] },
      { feed: vn(2), records: [member('b', 1)] },
    ]);
    await busy.until(() => busy.records.length === 1, 'a record of the other feed');
    expect(busy.count('interrupted')).toBe(0);

    await admin.deleteAcls({ filters: [denied] });
    await forbidden.untilComplete();
    expect(forbidden.story).toEqual(['interrupted', 'resumed', 'restart', 'record', 'complete']);
    await writer.publish([{ feed: vn(1), records: [member('a', 2)] }]);
    await busy.until(() => busy.records.length === 2, 'the next record of the other feed');
    expect(warned.some((message) => message.includes('group.initial.rebalance.delay.ms=300'))).toBe(true);
    await admin.disconnect();
  });
});
