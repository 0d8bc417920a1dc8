import { createInterface } from 'node:readline';
import { KafkaFeedTransport } from '@nva/kafka';
import { NveClient } from '@nva/nve';
import { stateOf } from './nve-state.ts';

/**
 * An NVE in a process of its own, for histories in which it is stopped for a while: answers every line on standard input with its
 * state.
 */
const { nveId, brokers, prefix, deleteRetentionMs } = JSON.parse(process.argv[2]!) as {
  nveId: string;
  brokers: string[];
  prefix: string;
  deleteRetentionMs?: number;
};
const transport = new KafkaFeedTransport({ nveId, brokers, prefix, ...(deleteRetentionMs === undefined ? {} : { deleteRetentionMs }) });
const client = new NveClient({ nveId, transport });
client.start();

const input = createInterface({ input: process.stdin });
input.on('line', () => process.stdout.write(`${JSON.stringify(stateOf(client))}\n`));
input.on('close', () => process.exit());
