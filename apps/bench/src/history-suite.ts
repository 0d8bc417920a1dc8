import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cost, rate, type Suite } from './figure.ts';
import type { HistoryFigures } from './history-child.ts';

const MAPPINGS = 1_000_000;
const VNS = 5_000;
const EVENTS = 10_000_000;
const HEAP_MB = 6_000;

export const historySuite: Suite = {
  title: `the history of ${EVENTS.toLocaleString('en')} events about ${MAPPINGS.toLocaleString('en')} mappings in ${VNS.toLocaleString('en')} VNs; the limit of building it is the fold alone`,
  figures: ['history_build_events_per_s', 'history_bytes_per_event', 'history_table_1000_p99_ms', 'history_resolve_p99_ms'],
  async run(context) {
    const directory = await mkdtemp(join(context.directory, 'history-'));
    const { stdout } = await promisify(execFile)(process.execPath, [
      `--max-old-space-size=${HEAP_MB}`,
      '--max-semi-space-size=64',
      '--conditions=source',
      join(import.meta.dirname, 'history-child.ts'),
      directory,
      ...[MAPPINGS, VNS, EVENTS].map(String),
    ]);
    const found = JSON.parse(stdout) as HistoryFigures;
    context.say(
      `${found.changes.toLocaleString('en')} changes; a table of 1,000 entries p50 ${found.tableP50Ms.toFixed(1)} ms, resolve p50 ${found.resolveP50Ms.toFixed(2)} ms`,
    );
    return [
      rate('history_build_events_per_s', 'events/s', found.eventsPerS, { target: 150_000, limit: found.foldEventsPerS }),
      cost('history_bytes_per_event', 'bytes', found.bytesPerEvent, { target: 60 }),
      cost('history_table_1000_p99_ms', 'ms', found.tableP99Ms, { target: 20 }),
      cost('history_resolve_p99_ms', 'ms', found.resolveP99Ms, { target: 5 }),
    ];
  },
};
