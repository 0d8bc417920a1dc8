import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { play, type Played } from './history.ts';
import { isFault, planOf, type Plan } from './plan.ts';
import { playAll, type Told } from './pool.ts';
import { shortened } from './shortening.ts';

/** Histories that broke a promise, shortened: `npm test` plays them all. */
const HISTORIES = join(dirname(fileURLToPath(import.meta.url)), '..', 'histories');
const TELL_EVERY_MS = 10_000;
/** Playing ends after this number of histories that break a promise. */
const MAX_BROKEN = 5;
const USAGE = `usage: npm run sim -- [--seed N] [--histories M] [--minutes T] [--threads K]
       npm run sim -- --seed N --trace
       npm run sim -- --replay FILE [--trace]

  --seed       the first seed; the others follow it. By default a new one, which is printed
  --histories  how many; 1000 by default, without end where --minutes is given
  --minutes    ends after so many minutes
  --threads    as many as there are cores by default
  --replay     plays a history that was kept in apps/sim/histories
  --trace      tells everything that happens in one history`;

/** A new seed for each run without `--seed`. It is printed, so it need not be secret. */
const newSeed = (): number => Number(process.hrtime.bigint() % 1_000_000_000n);

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      histories: { type: 'string' },
      minutes: { type: 'string' },
      threads: { type: 'string' },
      replay: { type: 'string' },
      trace: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return (say(USAGE), 0);
  const number = (name: 'seed' | 'histories' | 'minutes' | 'threads', from: number): number | undefined => {
    const given = values[name];
    if (given === undefined) return undefined;
    const value = Number(given);
    if (!Number.isFinite(value) || value < from || (name !== 'minutes' && !Number.isSafeInteger(value)))
      throw new RangeError(`--${name}: a number from ${from} on, got «${given}»\n${USAGE}`);
    return value;
  };
  const [seed = newSeed(), minutes, threads] = [number('seed', 0), number('minutes', 0), number('threads', 1)];
  const histories = number('histories', 1) ?? (minutes === undefined ? 1_000 : Number.MAX_SAFE_INTEGER - seed);
  if (values.replay !== undefined) return playOne(JSON.parse(readFileSync(values.replay, 'utf8')) as Plan, values.trace === true);
  if (values.trace) return playOne(planOf(seed), true);
  return playMany(seed, histories, minutes, threads);
}

async function playOne(plan: Plan, trace: boolean): Promise<number> {
  const played = await play(plan, trace ? say : null);
  say(
    played.broken === null
      ? `seed ${plan.seed}: every promise was kept (${played.events} events, ${played.simulatedMs / 1_000} s)`
      : `seed ${plan.seed}: ${played.broken}`,
  );
  return played.broken === null ? 0 : 1;
}

async function playMany(seed: number, histories: number, minutes: number | undefined, threads: number | undefined): Promise<number> {
  const startMs = performance.now();
  const sums = { histories: 0, simulatedMs: 0, events: 0, checks: 0 };
  const failed: Told[] = [];
  let toldMs = startMs;
  say(`seeds from ${seed} on`);
  const goesOn = (): boolean => failed.length < MAX_BROKEN && (minutes === undefined || performance.now() - startMs < minutes * 60_000);
  await playAll(
    seed,
    histories,
    goesOn,
    (told) => {
      const { played } = told;
      sums.histories++;
      sums.simulatedMs += played.simulatedMs;
      sums.events += played.events;
      sums.checks += played.checks;
      if (played.broken !== null) {
        failed.push(told);
        say(`seed ${told.seed}: ${played.broken}`);
      }
      if (performance.now() - toldMs < TELL_EVERY_MS) return;
      toldMs = performance.now();
      say(`${sums.histories} histories, ${failed.length} broken`);
    },
    threads,
  );
  const took = (performance.now() - startMs) / 60_000;
  const hours = sums.simulatedMs / 3_600_000;
  say(
    `${sums.histories} histories in ${(60 * took).toFixed(1)} s, ${Math.round(sums.histories / took)} a minute: ${hours.toFixed(1)} simulated hours, ${(hours / took).toFixed(1)} a minute; ${sums.events} events, ${sums.checks} things compared; ${failed.length} broken`,
  );
  for (const one of failed.slice(0, MAX_BROKEN)) await keep(one.seed, one.played);
  return failed.length === 0 ? 0 : 1;
}

async function keep(seed: number, { broken }: Played): Promise<void> {
  const { plan, played, plays } = await shortened(planOf(seed), broken!);
  mkdirSync(HISTORIES, { recursive: true });
  const path = join(HISTORIES, `${seed}.json`);
  writeFileSync(path, `${JSON.stringify(plan, null, 2)}\n`);
  say(
    `seed ${seed}, shortened to ${plan.steps.filter((step) => !isFault(step)).length} commands and ${plan.steps.filter(isFault).length} faults (${plays} plays): ${played.broken}`,
  );
  say(`  npm run sim -- --replay ${path} --trace`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof RangeError ? error.message : ((error as Error).stack ?? String(error))}\n`);
    process.exitCode = 2;
  },
);
