import { randomUUID } from 'node:crypto';
import { KafkaFeedTransport, KafkaFeedWriter } from '@nva/kafka';
import { VnTable } from '@nva/nve';
import type { FeedName, FeedRecord } from '@nva/ports';
import { cost, median, type Suite } from './figure.ts';
import { ipOf, macOf, nveIdOf, tsIdOf } from './workload.ts';

const MAPPINGS = 100_000;
const NVES = 10;
const REWRITES = 10;
const ROUNDS = 5;
const BATCH = 2_000;
const VN: FeedName = { kind: 'vn', vnid: 1 };
const LIMIT_MS = 60_000;

function mapping(i: number, round: number, log: string): FeedRecord {
  return {
    key: `mapping/${tsIdOf(i)}/${ipOf(i)}`,
    value: {
      type: 'Mapping',
      data: {
        tsId: tsIdOf(i),
        bid: null,
        mac: macOf(i),
        ip: ipOf(i),
        vlan: null,
        attachments: [{ nveId: nveIdOf((i + round) % NVES), state: 'activated' }],
        mobility: round,
        via: null,
      },
    },
    position: round * MAPPINGS + i + 1,
    log,
    changeEnd: true,
    eventType: round === 0 ? 'TenantSystemAttached' : 'TenantSystemMoved',
    correlationId: log,
    recordedAt: 1_790_000_000_000,
  };
}

async function fill(writer: KafkaFeedWriter, round: number, log: string): Promise<void> {
  for (let at = 0; at < MAPPINGS; at += BATCH) {
    await writer.publish([
      { feed: VN, records: Array.from({ length: Math.min(BATCH, MAPPINGS - at) }, (_, i) => mapping(at + i, round, log)) },
    ]);
  }
}

/** Seconds from subscribe to a complete table, with a new consumer. */
async function join(brokers: readonly string[], prefix: string, n: number): Promise<number> {
  const transport = new KafkaFeedTransport({ brokers, prefix, nveId: `late-${n}` });
  const table = new VnTable(1, `late-${n}`);
  const start = performance.now();
  try {
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error('the late joiner did not get through')), LIMIT_MS);
      transport.follow(
        VN,
        {},
        {
          restart: () => undefined,
          record: (record) => table.add(record),
          complete: () => {
            table.flush();
            clearTimeout(limit);
            resolve();
          },
          undecodable: ({ cause }) => reject(cause),
          interrupted: reject,
          resumed: () => undefined,
        },
      );
    });
    const seconds = (performance.now() - start) / 1_000;
    let held = 0;
    for (const _ of table.mappings()) held++;
    if (held !== MAPPINGS) throw new Error(`the table holds ${held} of ${MAPPINGS} mappings`);
    return seconds;
  } finally {
    await transport.close();
  }
}

export const lateJoinSuite: Suite = {
  title: `late joiner: ${MAPPINGS.toLocaleString('en')} mappings in one VN, from subscribe to complete table, over Kafka`,
  figures: ['late_join_s', 'late_join_worn_s'],
  async run({ brokers, say }) {
    const addresses = await brokers();
    const prefix = `bench-${randomUUID().slice(0, 8)}`;
    const log = randomUUID();
    const writer = new KafkaFeedWriter({ brokers: addresses, prefix, clientId: 'bench' });
    await writer.open();
    try {
      await writer.ensure([VN]);
      await fill(writer, 0, log);
      const fresh: number[] = [];
      for (let round = 0; round < ROUNDS; round++) fresh.push(await join(addresses, prefix, round));
      for (let round = 1; round <= REWRITES; round++) await fill(writer, round, log);
      const worn: number[] = [];
      for (let round = 0; round < ROUNDS; round++) worn.push(await join(addresses, prefix, ROUNDS + round));
      say(
        `fresh: ${fresh.map((s) => s.toFixed(2)).join(', ')} s; after every key was rewritten ${REWRITES} times: ${worn.map((s) => s.toFixed(2)).join(', ')} s`,
      );
      return [cost('late_join_s', 's', median(fresh), { target: 1 }), cost('late_join_worn_s', 's', median(worn))];
    } finally {
      await writer.close();
    }
  },
};
