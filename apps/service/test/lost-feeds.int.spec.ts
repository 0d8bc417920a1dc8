import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandLine } from '@nva/codec';
import { until } from '@nva/processes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KafkaFeedUnderTest } from '../../../libs/kafka/test/kafka-feed.ts';
import { CommandTopics, OPERATOR_TOKEN, secretOf } from './kafka-commands-support.ts';
import { populate, startNva, tsBody, type NvaFixture } from './support.ts';
import { makeTopics } from '../../../test/kafka/made-topics.ts';

/** Of a process with several connections to a broker that other work may slow; what is waited for are states. */
const LIMIT_MS = 120_000;

let feed: KafkaFeedUnderTest;
let nva: NvaFixture;
beforeEach(async () => {
  feed = await KafkaFeedUnderTest.make();
}, LIMIT_MS);
afterEach(async () => {
  await nva.stop();
  await feed.dispose();
}, LIMIT_MS);

const start = async (): Promise<void> => {
  nva = await startNva({ env: { KAFKA_BROKERS: feed.brokers.join(','), FEED_PREFIX: feed.prefix, FEED_CHECK_EVERY_S: '1' } });
  await populate(nva.http);
};
const attach = (n: number, nve: number) => nva.http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).send(tsBody(n)).expect(200);
const metric = async (name: string, token?: string): Promise<number> => {
  const request = nva.http.get('/metrics');
  if (token) request.set('authorization', `Bearer ${token}`);
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await request.expect(200)).text)?.[1]);
};
const published = (): Promise<void> =>
  until(
    'all is published',
    async () => {
      const { ready, foldPosition, publishedPosition } = (await nva.http.get('/readyz')).body as Record<string, unknown>;
      return ready && foldPosition === publishedPosition ? null : `${String(publishedPosition)} of ${String(foldPosition)}`;
    },
    LIMIT_MS,
  );
const beat = (digest: string, position: string) =>
  nva.http
    .post('/v1/nves/nve1/heartbeat')
    .send({ incarnation: 1, applied: [{ vnid: 1, log: nva.server.core.store.logId, position, digest }] })
    .expect(200);

describe('a process', () => {
  it(
    'whose topic of a VN is deleted has it whole again by itself, and tells of it in the metrics',
    async () => {
      await start();
      await attach(1, 1);
      await published();
      await feed.deleted(`${feed.prefix}.vn.1`);
      await until(
        'it is found and made whole',
        async () => ((await metric('nva_feeds_restored_total')) === 1 ? null : 'not yet'),
        LIMIT_MS,
      );
      await published();
      expect([
        await metric('nva_feeds_lost_total'),
        await metric('nva_feeds_lost'),
        await metric('nva_feeds_set_aside'),
        await metric('nva_ready'),
      ]).toEqual([1, 0, 0, 1]);
      expect((await feed.raw(`${feed.prefix}.vn.1`)).map(({ key }) => String(key))).toEqual([
        'member/nve1',
        'mapping/ts1/10.0.0.1',
        'context',
      ]);
    },
    LIMIT_MS,
  );

  it(
    'is ready with a feed that is refused, and says in /readyz which and why',
    async () => {
      await feed.admin((admin) => makeTopics(admin, [{ topic: `${feed.prefix}.vn.2`, numPartitions: 2 }]));
      await start();
      await attach(1, 1);
      await published();
      const { setAside, setAsideFeeds } = (await nva.http.get('/readyz').expect(200)).body as { setAside: unknown; setAsideFeeds: number };
      expect(setAside).toEqual([
        { feed: 'vn/2', topic: `${feed.prefix}.vn.2`, trouble: 'refused', reason: expect.stringContaining('it must have one') },
      ]);
      expect([setAsideFeeds, await metric('nva_feeds_set_aside'), await metric('nva_feeds_lost')]).toEqual([1, 1, 0]);
    },
    LIMIT_MS,
  );
});

describe('a heartbeat whose verdict is «differs»', () => {
  const doubtful = async (): Promise<void> => {
    await attach(1, 1);
    await published();
    const { position } = nva.server.core.replica.digests.current('vn/1');
    for (let twice = 0; twice < 2; twice++) await beat('0'.repeat(16), String(position));
    await until('the feed is compared', async () => ((await metric('nva_feed_comparisons_total')) === 1 ? null : 'not yet'), LIMIT_MS);
    expect([await metric('nva_digest_mismatches_total'), await metric('nva_feed_doubts_total')]).toEqual([2, 2]);
  };

  it(
    'has the topic of the VN put right, where something is wrong on it',
    async () => {
      await start();
      await attach(2, 1);
      await published();
      await feed.send(`${feed.prefix}.vn.1`, [
        {
          key: 'member/nve1',
          value: null,
          headers: { 'position': String(await nva.head()), 'log': nva.server.core.store.logId, 'change-end': '1' },
        },
      ]);
      await doubtful();
      expect(await metric('nva_feed_comparisons_repaired_total')).toBe(1);
      expect((await feed.raw(`${feed.prefix}.vn.1`)).findLast(({ key }) => String(key) === 'member/nve1')!.value).not.toBeNull();
    },
    LIMIT_MS,
  );

  it(
    'changes nothing where the feeds are in process',
    async () => {
      nva = await startNva();
      await populate(nva.http);
      await doubtful();
      expect(await metric('nva_feed_comparisons_repaired_total')).toBe(0);
    },
    LIMIT_MS,
  );
});

describe('topics of commands', () => {
  let directory: string;
  let topics: CommandTopics;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nva-topics-'));
    topics = await CommandTopics.make(directory);
  }, LIMIT_MS);
  afterEach(async () => {
    await topics.dispose();
    await rm(directory, { recursive: true });
  }, LIMIT_MS);
  const attachOf = (n: number, nveId: string): CommandLine => ({ command: 'attach', nveId, tsId: `ts${n}`, ...tsBody(n) }) as CommandLine;

  it(
    'of which one NVE’s is refused leave the commands of the others taken',
    async () => {
      await topics.feed.admin((admin) => makeTopics(admin, [{ topic: `${topics.feed.prefix}.nve.nve3.outcomes`, numPartitions: 2 }]));
      nva = await startNva({ env: topics.env });
      await populate(nva.http, OPERATOR_TOKEN);
      expect(await topics.sender('nve1').send(attachOf(1, 'nve1'))).toMatchObject({ status: 200 });
    },
    LIMIT_MS,
  );

  it(
    'of which one NVE’s is refused are looked at again by themselves, and what it was not told is counted',
    async () => {
      const refused = `${topics.feed.prefix}.nve.nve3.outcomes`;
      await topics.feed.admin((admin) => makeTopics(admin, [{ topic: refused, numPartitions: 2 }]));
      nva = await startNva({ env: topics.env });
      await populate(nva.http, OPERATOR_TOKEN);
      const counted = (name: string): Promise<number> => metric(`nva_kafka_command_outcomes${name}_total`, OPERATOR_TOKEN);
      // A topic that is listed may not be writable yet; this one is, once a command has been answered.
      expect(await topics.sender('nve1').send(attachOf(1, 'nve1'))).toMatchObject({ status: 200 });
      await topics.write(attachOf(3, 'nve3'), { nveId: 'nve3' }, secretOf('nve3'));
      await until(
        'the command is taken, and its outcome dropped',
        async () => ((await counted('_dropped')) === 1 ? null : 'not yet'),
        LIMIT_MS,
      );
      const before = await counted('');
      await topics.feed.deleted(refused);
      await until(
        'an outcome is published',
        async () => {
          await topics.write(attachOf(4, 'nve3'), { nveId: 'nve3' }, secretOf('nve3'));
          await sleep(200);
          return (await counted('')) > before ? null : 'none';
        },
        LIMIT_MS,
      );
      expect((await topics.outcomes('nve3'))[0]).toMatchObject({ status: 200 });
    },
    LIMIT_MS,
  );

  it(
    'that are deleted while commands are taken from them are made anew',
    async () => {
      nva = await startNva({ env: topics.env });
      await populate(nva.http, OPERATOR_TOKEN);
      expect(await topics.sender('nve1').send(attachOf(1, 'nve1'))).toMatchObject({ status: 200 });
      await topics.feed.deleted(topics.topic);
      await until(
        'it is there again',
        async () => ((await topics.feed.admin((admin) => admin.listTopics())).includes(topics.topic) ? null : 'not yet'),
        LIMIT_MS,
      );
      expect(await topics.sender('nve2').send(attachOf(2, 'nve2'))).toMatchObject({ status: 200 });
    },
    LIMIT_MS,
  );
});
