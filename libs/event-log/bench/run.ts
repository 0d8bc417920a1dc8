import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@nva/ports';
import { measureAppend } from './append.ts';
import { measureLatency } from './latency.ts';
import { measureReplay } from './replay.ts';

// node --conditions=source libs/event-log/bench/run.ts
const directory = mkdtempSync(join(tmpdir(), 'nva-event-log-bench-'));
const append = await measureAppend({ clock: systemClock, directory });
const latency = await measureLatency({ clock: systemClock, directory });
const replay = await measureReplay({ clock: systemClock, directory });
rmSync(directory, { recursive: true });
process.stdout.write(`${JSON.stringify({ append, latency, replay }, null, 2)}\n`);
