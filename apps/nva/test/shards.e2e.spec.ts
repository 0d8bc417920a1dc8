import { feedKey } from '@nva/ports';
import supertest from 'supertest';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KafkaFeedUnderTest } from '../../../libs/kafka/test/kafka-feed.ts';
import { temporaryDirectory, until } from '../../service/test/support.ts';
import { NvaProcess } from './nva-process.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let feed: KafkaFeedUnderTest;
let process: NvaProcess | undefined;
beforeEach(async () => {
  directory = await temporaryDirectory();
  feed = await KafkaFeedUnderTest.make();
});
afterEach(async () => {
  await process?.end('SIGKILL');
  await directory.remove();
  await feed.dispose();
});

it('a server of some shards publishes their VNs only, and ends with an error that names the shard and its new owner when one is taken over', async () => {
  process = new NvaProcess({
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: directory.path,
    KAFKA_BROKERS: feed.brokers.join(','),
    FEED_PREFIX: feed.prefix,
    DISTRIBUTOR_SHARDS: '0-31',
  });
  const http = supertest(await process.url());
  const put = (vnid: number, name: string): Promise<unknown> =>
    http.put(`/v1/vns/${vnid}`).send({ tenantId: 'red', name, service: 'l3', encapsulation: 'vxlan' }).expect(200);
  const published = (): Promise<void> =>
    until(async () => {
      const { body, status } = await http.get('/readyz');
      return status === 200 && body.publishedPosition === body.foldPosition;
    });
  await published();
  for (const vnid of [1, 33, 65]) await put(vnid, 'a');
  await published();
  const other = feed.writer({ owned: [1], clientId: 'other' });
  expect((await other.list()).map(feedKey).toSorted()).toEqual(['vn/1', 'vn/65']);

  await other.open();
  await put(33, 'b');
  await put(2, 'b');
  await published();
  await put(1, 'b');
  expect(await process.exited).toEqual({ code: 1, signal: null });
  expect(process.lines.map(({ msg, err }) => `${String(msg)} ${JSON.stringify(err)}`).join('\n')).toMatch(
    /the NVA cannot go on .*Shard 1 of the feeds was taken over by other on \S+, process \d+ /,
  );
});
