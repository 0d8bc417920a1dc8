import { execFileSync } from 'node:child_process';
import { createRecordCodec } from '@nva/codec';
import { FeedRefused, FeedsFailed, FeedUnavailable, feedKey } from '@nva/ports';
import { until } from '@nva/processes';
import kafkajs from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { collected } from '../../../test/contract/collected.ts';
import { keyAndPosition, LOG, member, membership, nve, removal, vn } from '../../../test/contract/feed-records.ts';
import { TOPIC_CONFIG, type KafkaFeedWriter } from '../src/index.ts';
import { ShardWriter } from '../src/shard-writer.ts';
import { KafkaFeedUnderTest } from './kafka-feed.ts';
import { makeTopics } from '../../../test/kafka/made-topics.ts';

/** What is waited for are states of a broker that other work may slow; this is only where waiting ends. */
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let feed: KafkaFeedUnderTest;
let writer: KafkaFeedWriter;
beforeEach(async () => {
  feed = await KafkaFeedUnderTest.make();
  writer = feed.writer();
  await writer.open();
});
afterEach(() => feed.dispose());

async function configOf(topic: string): Promise<Map<string, string>> {
  const { resources } = await feed.admin((admin) =>
    admin.describeConfigs({ includeSynonyms: false, resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }] }),
  );
  return new Map(resources[0]!.configEntries.map(({ configName, configValue }) => [configName, configValue]));
}

describe('topics', () => {
  it('are made with one partition and the configuration of the contract, those of the NVA itself too', async () => {
    await writer.ensure([vn(100), nve('leaf-1.rack_2')]);
    for (const topic of ['vn.100', 'nve.leaf-1.rack_2', 'schemas', 'distributor']) {
      const config = await configOf(`${feed.prefix}.${topic}`);
      for (const [name, value] of Object.entries(TOPIC_CONFIG)) expect(config.get(name), `${topic} ${name}`).toBe(value);
    }
    expect(writer.address(vn(100))).toEqual({ topic: `${feed.prefix}.vn.100` });
  });

  it('that exist with another configuration are corrected, and keep what else was set', async () => {
    const topic = `${feed.prefix}.vn.9`;
    const configEntries = [
      { name: 'cleanup.policy', value: 'delete' },
      { name: 'retention.ms', value: '1000' },
      { name: 'min.insync.replicas', value: '1' },
      { name: 'max.message.bytes', value: '2000000' },
    ];
    await feed.admin((admin) => makeTopics(admin, [{ topic, numPartitions: 1, configEntries }]));
    // A broker tells what the controller has decided only when it has heard of it itself.
    const tells = (policy: string): Promise<void> =>
      until(
        `the broker tells ${policy}`,
        async () => ((await configOf(topic)).get('cleanup.policy') === policy ? null : 'not yet'),
        120_000,
      );
    await tells('delete');
    const told: string[] = [];
    const checking = feed.writer({ log: (level, message) => level === 'warn' && told.push(message) });
    await checking.ensure([vn(9)]);
    await tells('compact');
    expect((await configOf(topic)).get('max.message.bytes')).toBe('2000000');
    expect(told[0]).toContain('cleanup.policy is delete, must be compact');
    await checking.ensure([vn(9)]);
    expect(told.length).toBe(1);
  });

  it('with more than one partition are refused', async () => {
    await feed.admin((admin) => makeTopics(admin, [{ topic: `${feed.prefix}.vn.9`, numPartitions: 2 }]));
    for (let twice = 0; twice < 2; twice++) {
      const { failures, fresh } = await writer.ensure([vn(9), vn(10 + twice)]);
      expect(failures).toMatchObject([
        { feed: vn(9), trouble: 'refused', cause: { message: expect.stringContaining('has 2 partitions') } },
      ]);
      expect(fresh).toEqual([vn(10 + twice)]);
    }
  });

  it('are made two hundred in one call', async () => {
    const feeds = Array.from({ length: 200 }, (_, i) => vn(1000 + i));
    await writer.ensure(feeds);
    expect((await writer.list()).length).toBe(200);
    await writer.publish(feeds.map((name, i) => ({ feed: name, records: [member('a', i + 1)] })));
    const read = await collected(writer.readAll(feeds));
    expect(
      new Set(read.map(({ feed: name, record }) => `${JSON.stringify(name)} ${'undecodable' in record ? '' : record.position}`)).size,
    ).toBe(200);
  });

  it('are not made for a name that Kafka does not take, nor by writing', async () => {
    expect((await writer.ensure([nve('leaf/1'), vn(0)])).failures).toMatchObject([
      { feed: nve('leaf/1'), trouble: 'refused', cause: expect.any(FeedRefused) },
      { feed: vn(0), trouble: 'refused', cause: { message: 'A VNID is 1 to 16777215, received 0' } },
    ]);
    await expect(writer.publish([{ feed: vn(5), records: [member('a', 1)] }])).rejects.toMatchObject({
      name: 'FeedsFailed',
      failures: [{ feed: vn(5), trouble: 'lost' }],
    });
    expect(await writer.list()).toEqual([]);
  });

  it('that went are made again by the next ensure, once a publish has failed', async () => {
    await writer.ensure([vn(5), vn(69)]);
    await writer.publish([{ feed: vn(5), records: [member('a', 1)] }]);
    await feed.gone(`${feed.prefix}.vn.5`);
    // Of the same shard, and so in one transaction.
    const both = writer.publish([
      { feed: vn(5), records: [member('a', 2)] },
      { feed: vn(69), records: [member('b', 1)] },
    ]);
    await expect(both).rejects.toMatchObject({ failures: [{ feed: vn(5), trouble: 'lost' }] });
    expect((await collected(writer.read(vn(69)))).length).toBe(1);
    expect(await writer.ensure([vn(5), vn(69)])).toEqual({ fresh: [vn(5)], failures: [] });
    await writer.publish([
      { feed: vn(5), records: [member('a', 2)] },
      { feed: vn(69), records: [member('b', 2)] },
    ]);
    expect((await collected(writer.read(vn(5)))).length).toBe(1);
  });
});

describe('a topic that is deleted and made again by somebody else', () => {
  const again = (topic: string): Promise<void> => feed.madeAnew(topic);

  it('is found by the next publish, which leaves nothing committed on it, and nothing behind it either until it was looked at', async () => {
    await writer.ensure([vn(5), vn(69)]);
    await writer.publish([
      { feed: vn(5), records: [member('a', 1)] },
      { feed: vn(69), records: [member('a', 1)] },
    ]);
    await again(`${feed.prefix}.vn.5`);
    const first = writer.publish([
      { feed: vn(5), records: [member('b', 2)] },
      { feed: vn(69), records: [member('b', 2)] },
    ]);
    const second = writer.publish([{ feed: vn(5), records: [member('c', 3)] }]);
    const lost = { status: 'rejected', reason: { failures: [{ feed: vn(5), trouble: 'lost' }] } };
    expect(await Promise.allSettled([first, second])).toMatchObject([lost, lost]);
    expect(await feed.raw(`${feed.prefix}.vn.5`)).toEqual([]);
    expect((await collected(writer.read(vn(69)))).map((record) => record.key)).toEqual(['member/a', 'member/b']);
    expect(await writer.ensure([vn(5)])).toEqual({ fresh: [vn(5)], failures: [] });
    await writer.publish([{ feed: vn(5), records: [member('a', 1)] }]);
    expect((await collected(writer.read(vn(5)))).map((record) => record.key)).toEqual(['member/a']);
  });

  it('is found by a look without any publish, as one is that is gone; those that are as they were are not told', async () => {
    await writer.ensure([vn(5), vn(6), vn(7), nve('n1')]);
    expect(await writer.look()).toEqual([]);
    await again(`${feed.prefix}.vn.5`);
    await feed.gone(`${feed.prefix}.nve.n1`);
    const told = async (): Promise<unknown[]> => (await writer.look()).map(({ feed: name, trouble }) => [name, trouble]);
    await until('both are told', async () => ((await told()).length === 2 ? null : 'not yet'));
    expect(await told()).toEqual([
      [vn(5), 'lost'],
      [nve('n1'), 'lost'],
    ]);
    expect((await writer.ensure([vn(5), vn(6), nve('n1')])).fresh.map(feedKey).toSorted()).toEqual(['nve/n1', 'vn/5']);
    expect(await told()).toEqual([]);
  });

  it('is found by the next publish of each of several writers that share it, though another has filled it past what this one knew', async () => {
    const [lower, upper] = [feed.writer({ owned: [1, 2] }), feed.writer({ owned: [33, 34] })];
    for (const one of [lower, upper]) {
      await one.open();
      await one.ensure([nve('n1')]);
    }
    await lower.publish([{ feed: nve('n1'), records: [membership(1, 1)] }]);
    await again(`${feed.prefix}.nve.n1`);
    await upper.look();
    await upper.ensure([nve('n1')]);
    for (let position = 2; position < 8; position++) await upper.publish([{ feed: nve('n1'), records: [membership(33, position)] }]);
    await expect(lower.publish([{ feed: nve('n1'), records: [membership(2, 9)] }])).rejects.toMatchObject({
      failures: [{ feed: nve('n1'), trouble: 'lost' }],
    });
    expect(new Set((await feed.raw(`${feed.prefix}.nve.n1`)).map(({ key }) => String(key)))).toEqual(new Set(['vn/33']));
  });

  it('of schemas is filled with all of them, older ones too', async () => {
    const older = { key: 'aaaaaaaaaaaaaaaa', value: JSON.stringify({ type: 'record', name: 'Older', fields: [] }) };
    await feed.send(`${feed.prefix}.schemas`, [older]);
    await writer.open();
    await again(`${feed.prefix}.schemas`);
    await until('the schemas are there', async () => {
      await writer.look();
      const there = new Map((await feed.raw(`${feed.prefix}.schemas`)).map(({ key, value }) => [String(key), String(value)]));
      return there.get(older.key) === older.value && createRecordCodec().schemas.every(({ fingerprint }) => there.has(fingerprint))
        ? null
        : `${there.size} schemas`;
    });
  });

  it('of owners and checkpoints is filled by who owns the shards, and a superseded writer stays shut out', async () => {
    const checkpoint = { log: LOG, position: 7, checkpoint: '7' };
    await writer.ensure([vn(5)]);
    const successor = feed.writer({ clientId: 'successor' });
    await successor.open();
    await successor.saveCheckpoint(checkpoint);
    await again(`${feed.prefix}.distributor`);
    await until('the successor finds it', async () => {
      await successor.look();
      return (await feed.raw(`${feed.prefix}.distributor`)).length >= 128 ? null : 'not yet';
    });
    await successor.publish([{ feed: vn(5), records: [member('a', 1)] }]).catch(() => undefined);
    await expect(writer.publish([{ feed: vn(5), records: [member('b', 1)] }])).rejects.toThrow(/taken over by successor/);
    await successor.ensure([vn(5)]);
    await successor.publish([{ feed: vn(5), records: [member('a', 2)] }]);
    expect(await successor.loadCheckpoint()).toEqual(checkpoint);
  });

  it('of owners and checkpoints is filled with both where a write to it fails and the shards are taken over anew', async () => {
    const checkpoint = { log: LOG, position: 7, checkpoint: '7' };
    await writer.ensure([vn(5)]);
    await writer.saveCheckpoint(checkpoint);
    await again(`${feed.prefix}.distributor`);
    const send = vi.spyOn(ShardWriter.prototype, 'send').mockRejectedValueOnce(new FeedUnavailable('no answer'));
    await until('it is found', async () => {
      await writer.look();
      return (await feed.raw(`${feed.prefix}.distributor`)).length >= 128 ? null : 'not yet';
    });
    expect(send).toHaveResolved();
    send.mockRestore();
    expect(await writer.loadCheckpoint()).toEqual(checkpoint);
    await writer.publish([{ feed: vn(5), records: [member('a', 1)] }]);
  });
});

describe('an owner record that is no such thing', () => {
  it('ends nobody: the other shards go on, and its owner writes it anew', async () => {
    await writer.ensure([vn(5), vn(6)]);
    await feed.send(`${feed.prefix}.distributor`, [{ key: 'owner/5', value: '{' }]);
    // A failure in shard 5 makes it take a new epoch, and look who owns the shard.
    await expect(writer.publish([{ feed: vn(69), records: [member('a', 1)] }])).rejects.toThrow(FeedsFailed);
    await expect(writer.publish([{ feed: vn(5), records: [member('a', 1)] }])).rejects.toThrow('The owner record of shard 5 is gone');
    await writer.publish([{ feed: vn(6), records: [member('a', 1)] }]);
    await writer.look();
    await writer.publish([{ feed: vn(5), records: [member('a', 1)] }]);
    await writer.open();
    expect((await collected(writer.read(vn(5)))).map((record) => record.key)).toEqual(['member/a']);
  });
});

describe('records on the wire', () => {
  it('have the key, the headers and the value of the contract, removals too', async () => {
    await writer.ensure([vn(7)]);
    const first = member('n1', 41, { changeEnd: false, eventType: 'NveConnected', correlationId: 'c-1', recordedAt: 1_790_000_000_000 });
    await writer.publish([{ feed: vn(7), records: [first, removal('n2', 41)] }]);
    const [written, removed] = await feed.raw(`${feed.prefix}.vn.7`);
    const text = (headers: object): Record<string, string> =>
      Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    expect(written!.key!.toString('utf8')).toBe('member/n1');
    expect(text(written!.headers!)).toEqual({
      'position': '41',
      'log': LOG,
      'event-type': 'NveConnected',
      'correlation-id': 'c-1',
      'recorded-at': '1790000000000',
    });
    expect(written!.value!.subarray(0, 2).toString('hex')).toBe('c301');
    expect(createRecordCodec().decode(written!.value!)).toEqual(first.value);
    expect(removed!.value).toBeNull();
    expect(text(removed!.headers!)).toEqual({ 'position': '41', 'log': LOG, 'change-end': '1' });
  });

  it('are what kcat sees, where there is kcat', async () => {
    await writer.ensure([vn(7)]);
    await writer.publish([{ feed: vn(7), records: [member('n1', 41)] }]);
    let seen: string;
    try {
      seen = execFileSync('kcat', ['-b', feed.brokers[0]!, '-C', '-t', `${feed.prefix}.vn.7`, '-e', '-q', '-f', '%k|%h\n'], {
        encoding: 'utf8',
      });
    } catch (failure) {
      // Not required: the spec above looks at the same bytes through kafkajs.
      expect((failure as NodeJS.ErrnoException).code).toBe('ENOENT');
      return;
    }
    expect(seen.split('\n')[0]).toBe(`member/n1|position=41,log=${LOG},change-end=1`);
  });

  it('find their schema on the schemas topic, which was there before them', async () => {
    const schemas = new Map((await feed.raw(`${feed.prefix}.schemas`)).map(({ key, value }) => [key!.toString(), value!.toString()]));
    for (const { fingerprint, schema } of createRecordCodec().schemas) expect(JSON.parse(schemas.get(fingerprint)!)).toEqual(schema);
    await writer.open();
    expect((await feed.raw(`${feed.prefix}.schemas`)).length).toBe(schemas.size);
  });

  it('are in order within a feed although many publishes are under way, and whole changes larger than a batch stay whole', async () => {
    await writer.ensure([vn(7), vn(71)]);
    const calls = Array.from({ length: 40 }, (_, call) =>
      writer.publish([{ feed: vn(call % 2 ? 7 : 71), records: [member('a', 2 * call), member('b', 2 * call + 1)] }]),
    );
    const large = Array.from({ length: 12_000 }, (_, i) => member(`large${i}`, 1_000, { changeEnd: i === 11_999 }));
    await Promise.all([...calls, writer.publish([{ feed: vn(7), records: large }])]);
    const read = (await collected(writer.read(vn(7)))).flatMap((record) => ('undecodable' in record ? [] : [record]));
    expect(read.slice(0, 40).map(({ position }) => position)).toEqual(Array.from({ length: 20 }, (_, i) => [4 * i + 2, 4 * i + 3]).flat());
    expect(read.slice(40).map(keyAndPosition)).toEqual(large.map(keyAndPosition));
  });

  it('of a value that its schema does not allow reject the call, with nothing written', async () => {
    await writer.ensure([vn(7)]);
    const wrong = { ...member('b', 2), value: { type: 'VnMember', data: { nveId: 5 } } as never };
    await expect(writer.publish([{ feed: vn(7), records: [member('a', 1), wrong] }])).rejects.toThrow('nveId');
    expect(await feed.raw(`${feed.prefix}.vn.7`)).toEqual([]);
  });
});
