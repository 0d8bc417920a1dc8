import { Partitioners } from 'kafkajs';
import { expect, it } from 'vitest';

/** Apache Kafka's own vectors for murmur2 (clients, `UtilsTest.testMurmur2`). */
const MURMUR2: readonly (readonly [key: string, hash: number])[] = [
  ['21', -973_932_308],
  ['foobar', -790_332_482],
  ['a-little-bit-long-string', -985_981_536],
  ['a-little-bit-longer-string', -1_486_304_829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
  ['abc', 479_470_107],
];

it('a command goes to the partition that the AsyncAPI document names: murmur2 of the key without its sign bit, modulo the partitions', () => {
  const partition = Partitioners.DefaultPartitioner();
  for (const partitions of [1, 12, 13]) {
    const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
      partitionId,
      partitionErrorCode: 0,
      leader: 1,
      replicas: [1],
      isr: [1],
    }));
    for (const [key, hash] of MURMUR2)
      expect(partition({ topic: 'nvo3.commands', partitionMetadata, message: { key, value: null } }), key).toBe(
        (hash & 0x7f_ff_ff_ff) % partitions,
      );
  }
});
