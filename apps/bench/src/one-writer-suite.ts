import { randomUUID } from 'node:crypto';
import { loadavg } from 'node:os';
import { KafkaFeedWriter } from '@nva/kafka';
import { cost, median, percentile, rate, type Figure, type Suite } from './figure.ts';
import { ownerAway, refusals, singles, stood } from './one-writer-parts.ts';
import { WriterProcess } from './one-writer-process.ts';
import { BUSY, WATCHED, type WriterKind } from './one-writer-records.ts';

const ROUNDS = 5;
const KINDS: readonly WriterKind[] = ['transactions', 'read_back'];
/** Number of positions of a round, more than it uses. */
const POSITIONS = 1_000_000_000;
const RECORDS_PER_CALL = 4_000;
const WARM_UP_CALLS = 15;
const CALLS = 25;
/** Number of calls under way at once, as in the distributor. */
const IN_FLIGHT = 4;
const STALE = 100;
const STALE_GAP_MS = 30;
/** The load while stale values come: none; a call of 500 records every 50 ms, about 8,000/s; calls without a pause. */
const LOADS = [
  { name: 'idle', load: null },
  { name: 'busy', load: { records: 500, inFlight: 1, pauseMs: 50 } },
  { name: 'full', load: { records: RECORDS_PER_CALL, inFlight: IN_FLIGHT, pauseMs: 0 } },
] as const;

const COMMON: readonly { readonly name: string; readonly unit: string; readonly less: boolean }[] = [
  { name: 'visible_p50_ms', unit: 'ms', less: true },
  { name: 'visible_p99_ms', unit: 'ms', less: true },
  { name: 'acked_p50_ms', unit: 'ms', less: true },
  { name: 'acked_p99_ms', unit: 'ms', less: true },
  { name: 'records_per_s', unit: 'records/s', less: false },
  { name: 'serial_records_per_s', unit: 'records/s', less: false },
  { name: 'cpu_ms_per_1000', unit: 'ms', less: true },
];
const STOOD = LOADS.flatMap(({ name }) => [`stale_${name}_p50_ms`, `stale_${name}_p99_ms`]);
const ACCEPTED = 'one_writer_transactions_stale_accepted';

/** The values of each name over the rounds. */
class Rounds {
  readonly #values = new Map<string, number[]>();

  add(name: string, value: number): void {
    this.#values.set(name, [...(this.#values.get(name) ?? []), value]);
  }

  of(name: string): readonly number[] {
    return this.#values.get(name) ?? [];
  }
}

async function common(
  brokers: readonly string[],
  prefix: string,
  writer: WriterProcess,
  note: (name: string, value: number) => void,
): Promise<void> {
  const { visibleMs, ackedMs } = await singles(brokers, prefix, writer);
  for (const [name, p] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    note(`visible_${name}_ms`, percentile(visibleMs, p));
    note(`acked_${name}_ms`, percentile(ackedMs, p));
  }
  await writer.call('sustained', { calls: WARM_UP_CALLS, records: RECORDS_PER_CALL, inFlight: IN_FLIGHT });
  const records = CALLS * RECORDS_PER_CALL;
  const { sentS, doneS, cpuMs } = await writer.call('sustained', { calls: CALLS, records: RECORDS_PER_CALL, inFlight: IN_FLIGHT });
  note('records_per_s', records / doneS);
  note('sent_per_s', records / sentS);
  note('cpu_ms_per_1000', cpuMs / (records / 1_000));
  note('serial_records_per_s', records / (await writer.call('sustained', { calls: CALLS, records: RECORDS_PER_CALL, inFlight: 1 })).doneS);
}

async function stale(
  brokers: readonly string[],
  prefix: string,
  writer: WriterProcess,
  note: (name: string, value: number) => void,
): Promise<void> {
  for (const { name, load } of LOADS) {
    if (load) await writer.call('load', load);
    const times = await stood(brokers, prefix, writer, STALE, STALE_GAP_MS);
    if (load) {
      const { published, seconds } = await writer.call('rest', {});
      note(`stale_${name}_load_per_s`, published / seconds);
    }
    note(`stale_${name}_p50_ms`, percentile(times, 0.5));
    note(`stale_${name}_p99_ms`, percentile(times, 0.99));
  }
}

/**
 * Two ways to have one writer at a time, both possible in the design, are measured: transactions, which the library uses, and
 * reading back and repairing, which exists only here. They take turns on the same broker.
 */
export const oneWriterSuite: Suite = {
  title: `one writer at a time: transactions against reading back and repairing, ${ROUNDS} rounds each in turn`,
  figures: [
    ...KINDS.flatMap((kind) => COMMON.map(({ name }) => `one_writer_${kind}_${name}`)),
    ACCEPTED,
    ...STOOD.map((name) => `one_writer_read_back_${name}`),
  ],
  onlyWhenNamed: true,
  async run(context) {
    const brokers = await context.brokers();
    const run = randomUUID().slice(0, 8);
    const prefixOf = (kind: WriterKind): string => `bench-${run}-${kind.replace('_', '-')}`;
    for (const kind of KINDS) {
      const topics = new KafkaFeedWriter({ brokers, prefix: prefixOf(kind), clientId: 'bench' });
      await topics.ensure([...BUSY, WATCHED]);
      await topics.close();
    }
    const rounds = new Rounds();
    let attempts = 0;
    let accepted = 0;
    for (let round = 1; round <= ROUNDS; round++) {
      for (const kind of round % 2 === 0 ? KINDS.toReversed() : KINDS) {
        const note = (name: string, value: number): void => rounds.add(`one_writer_${kind}_${name}`, value);
        const writer = await WriterProcess.start(kind, brokers, prefixOf(kind), round * POSITIONS);
        try {
          await common(brokers, prefixOf(kind), writer, note);
          if (kind === 'read_back') await stale(brokers, prefixOf(kind), writer, note);
        } finally {
          await writer.stop();
        }
        if (kind === 'transactions') {
          const refused = await refusals(brokers, prefixOf(kind), (round + 1) * POSITIONS - 2);
          attempts += refused.attempts;
          accepted += refused.accepted;
        }
      }
      context.say(`round ${round}, load ${loadavg()[0]!.toFixed(1)}`);
    }
    const away = await ownerAway(brokers, prefixOf('read_back'), (ROUNDS + 1) * POSITIONS);
    context.say(`transactions: ${attempts} stale writes of superseded writers, ${attempts - accepted} refused, ${accepted} in the topics`);
    context.say(
      `reading back: with the owner away a stale value stood for the ${away.awayMs.toFixed(0)} ms until another came, and ${away.openingMs.toFixed(0)} ms of its opening`,
    );
    const of = (name: string): readonly number[] => rounds.of(name);
    context.say(
      `reading back: sent ${Math.round(median(of('one_writer_read_back_sent_per_s'))).toLocaleString('en')}/s, sent and read back ${Math.round(median(of('one_writer_read_back_records_per_s'))).toLocaleString('en')}/s`,
    );
    for (const { name, load } of LOADS)
      if (load)
        context.say(
          `reading back: «${name}» was ${Math.round(median(of(`one_writer_read_back_stale_${name}_load_per_s`))).toLocaleString('en')} records/s`,
        );
    const figures: Figure[] = [];
    const add = (name: string, unit: string, less: boolean): void => {
      context.say(
        `${name}: ${of(name)
          .map((value) => (value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toFixed(1)))
          .join(' · ')}`,
      );
      figures.push((less ? cost : rate)(name, unit, median(of(name))));
    };
    for (const { name, unit, less } of COMMON) for (const kind of KINDS) add(`one_writer_${kind}_${name}`, unit, less);
    for (const name of STOOD) add(`one_writer_read_back_${name}`, 'ms', true);
    return [...figures, cost(ACCEPTED, 'records', accepted, { target: 0 })];
  },
};
