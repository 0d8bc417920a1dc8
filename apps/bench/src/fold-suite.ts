import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createEventCodec } from '@nva/codec';
import { SqliteEventStore } from '@nva/event-log';
import { NO_STREAM, systemClock } from '@nva/ports';
import { cost, median, rate, type Suite } from './figure.ts';
import { attached, foundation, streamOf } from './workload.ts';

const MAPPINGS = 1_000_000;
const VNS = 5_000;
const REPLAYED = 400_000;
const APPENDS_PER_CALL = 4_096;
const HEAP_MB = 6_000;

async function child<T>(...args: string[]): Promise<T> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    `--max-old-space-size=${HEAP_MB}`,
    '--max-semi-space-size=64',
    '--conditions=source',
    join(import.meta.dirname, 'fold-child.ts'),
    ...args,
  ]);
  return JSON.parse(stdout) as T;
}

export const foldSuite: Suite = {
  title: 'replay the embedded log, decoded and folded',
  figures: ['replay_fold_events_per_s'],
  async run(context) {
    const directory = await mkdtemp(join(context.directory, 'fold-'));
    const store = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock: systemClock });
    const workload = { vns: 2_000, nves: 200 };
    const events = [...foundation(workload), ...Array.from({ length: REPLAYED }, (_, i) => attached(workload, i))];
    for (let at = 0; at < events.length; at += APPENDS_PER_CALL) {
      await store.append(
        events
          .slice(at, at + APPENDS_PER_CALL)
          .map((event) => ({ stream: streamOf(event), expectedRevision: NO_STREAM, events: [{ id: crypto.randomUUID(), event }] })),
      );
    }
    await store.close();
    const { rates } = await child<{ rates: number[] }>('replay', directory);
    context.say(
      `${REPLAYED.toLocaleString('en')} attaches into ${workload.vns} VNs, read from the file; rounds: ${rates.map((r) => Math.round(r).toLocaleString('en')).join(', ')}`,
    );
    return [rate('replay_fold_events_per_s', 'events/s', median(rates), { target: 300_000 })];
  },
};

export const memorySuite: Suite = {
  title: `the fold at ${MAPPINGS.toLocaleString('en')} mappings in ${VNS.toLocaleString('en')} VNs`,
  figures: ['fold_bytes_per_mapping'],
  async run() {
    const { bytesPerMapping } = await child<{ bytesPerMapping: number }>('memory', String(MAPPINGS), String(VNS));
    return [cost('fold_bytes_per_mapping', 'bytes', bytesPerMapping, { target: 800 })];
  },
};
