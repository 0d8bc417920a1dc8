import { KafkaFeedWriter, SHARDS } from '../src/index.ts';
import { member, membership, nve, vn } from '../../../test/contract/feed-records.ts';

/**
 * A distributor in a process of its own, for tests that stop it in the middle of a send: takes over the VNs' shards, then publishes to
 * every key of the VNs and to an NVE's memberships of them without a pause, positions growing from 1, until it is refused. Says on
 * standard output what happens.
 */
const [brokers, prefix, vnids, keys] = process.argv.slice(2) as [string, string, string, string];
const PUBLISHES_IN_FLIGHT = 3;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const numbers = vnids.split(',').map(Number);
const writer = new KafkaFeedWriter({
  brokers: brokers.split(','),
  prefix,
  owned: numbers.map((vnid) => vnid % SHARDS),
  clientId: 'superseded',
});
await writer.open();
say('open');
let position = 0;
try {
  for (let round = 0; ; round++) {
    await Promise.all(
      Array.from({ length: PUBLISHES_IN_FLIGHT }, () => {
        const batches = numbers.map((vnid) => ({
          feed: vn(vnid),
          records: Array.from({ length: Number(keys) }, (_, key) => member(`n${key}`, ++position)),
        }));
        return writer.publish([...batches, { feed: nve('n1'), records: numbers.map((vnid) => membership(vnid, ++position)) }]);
      }),
    );
    if (round % 5 === 0) say(`position ${position}`);
  }
} catch (failure) {
  say(`ended ${String(failure)}`);
  await writer.close();
}
