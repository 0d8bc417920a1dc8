import { KafkaFeedWriter } from '../src/index.ts';
import { member, vn } from '../../../test/contract/feed-records.ts';

/**
 * A distributor in a process of its own, for tests that stop it in the middle of a send: opens, then publishes to every key of
 * the VNs without a pause, positions growing from 1, until it is refused. Says on standard output what happens.
 */
const [brokers, prefix, vnids, keys] = process.argv.slice(2) as [string, string, string, string];
const PUBLISHES_IN_FLIGHT = 3;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const writer = new KafkaFeedWriter({ brokers: brokers.split(','), prefix, clientId: 'superseded' });
await writer.open();
say('open');
let position = 0;
try {
  for (let round = 0; ; round++) {
    await Promise.all(
      Array.from({ length: PUBLISHES_IN_FLIGHT }, () => {
        const batches = vnids.split(',').map((vnid) => ({ feed: vn(Number(vnid)), records: Array.from({ length: Number(keys) }, (_, key) => member(`n${key}`, ++position)) }));
        return writer.publish(batches);
      }),
    );
    if (round % 5 === 0) say(`position ${position}`);
  }
} catch (failure) {
  say(`ended ${(failure as Error).name}`);
  await writer.close();
}
