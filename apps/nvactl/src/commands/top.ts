import { csvFields, type CsvField } from '@nva/codec';
import { sleep } from '@nva/ports';
import type { Command } from 'commander';
import type { Nve, Readiness } from '../api/answers.ts';
import { interrupted } from '../api/client.ts';
import { parseMetrics, sampleOf, type Sample, type Unproven } from '../api/metrics.ts';
import { EXIT, Failure } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { csvNames, csvRows, jsonLine, yaml } from '../output/formats.ts';
import { Paint } from '../output/paint.ts';
import { Screen } from '../output/screen.ts';
import { fields, table } from '../output/table.ts';
import { visible } from '../output/visible.ts';
import { Session, wholeNumber } from '../session.ts';

/** So many NVEs are looked at each time. */
const MAX_NVES = 10_000;
const DEFAULT_INTERVAL_S = 2;
/** So many NVEs that have proven nothing are told of. */
const SHOWN = 200;

/** A look in a line. */
const LOOK_FIELDS: readonly CsvField<Sample>[] = [
  ...csvFields<Sample>('ready', 'head', 'foldPosition', 'publishedPosition'),
  ...(['events', 'requests', 'failures', 'appendMs', 'publishDelayMs'] as const).map((name): CsvField<Sample> => [
    name.endsWith('Ms') ? name : `${name}PerS`,
    ({ rates }) => rates[name],
  ]),
  ...(['known', 'reachable', 'unproven'] as const).map((name): CsvField<Sample> => [`${name}Nves`, ({ nves }) => nves[name]]),
];

interface Options {
  readonly interval: number;
  readonly count?: number;
  readonly once?: true;
}

export function addTop(program: Command, io: Io): void {
  program
    .command('top')
    .summary('lag, rates, and NVEs that have not proven their tables')
    .description(
      `Show how far consumers are behind the log, how much happens in a second, and which NVEs have not proven to hold their tables (of the first ${MAX_NVES}). It goes on until Ctrl-C, also while the NVA cannot be reached; rates are those since the look before.`,
    )
    .option('--interval <seconds>', 'how often to look', (text) => wholeNumber(text, 1, 3_600), DEFAULT_INTERVAL_S)
    .option('--count <looks>', 'end after so many looks', (text) => wholeNumber(text, 1, 1_000_000))
    .option('--once', 'look once, without rates')
    .action((options: Options, command: Command) => top(new Session(command, io), options));
}

async function top(session: Session, { interval, once, count = once ? 1 : Infinity }: Options): Promise<void> {
  const { io } = session;
  const live = io.stdout.isTTY === true && !session.isData && count === Infinity;
  if (session.format === 'csv') await session.out(csvNames(LOOK_FIELDS));
  using screen = live ? new Screen(io) : null;
  let before: Sample | null = null;
  let shown = '';
  for (let looks = 1; ; looks++) {
    const sample = await lookedAt(session, before, looks === 1);
    if (sample instanceof Failure) {
      const trouble = `${sample.message}; trying again`;
      if (screen) draw(screen, `${visible(trouble)}. Before that:\n\n${shown}`);
      else session.say(trouble);
      // A rate is one between two looks with nothing amiss in between.
      before = null;
    } else {
      if (screen) draw(screen, (shown = topText(sample, new Paint({ isTTY: false }, {}), session.client.server)));
      else await print(session, sample);
      before = sample;
    }
    if (looks >= count) return;
    try {
      await sleep(io.clock, interval * 1_000, { signal: io.signal });
    } catch {
      throw interrupted();
    }
  }
}

const draw = (screen: Screen, text: string): void => screen.draw(text.split('\n').map((line) => ({ text: line })));

/** An NVA that cannot be reached after the first look is looked for again: that is when somebody looks. */
async function lookedAt(session: Session, before: Sample | null, isFirst: boolean): Promise<Sample | Failure> {
  try {
    return await look(session, before);
  } catch (error) {
    if (isFirst || !(error instanceof Failure) || error.exitCode !== EXIT.unreachable) throw error;
    return error;
  }
}

async function look(session: Session, before: Sample | null): Promise<Sample> {
  const { client, io } = session;
  const atMs = io.clock.monotonicMs();
  const ready = await client.anyway<Readiness>('/readyz');
  const metrics = parseMetrics(await client.text('/metrics'));
  const nves: Nve[] = [];
  for await (const nve of client.items<Nve>('/v1/nves')) {
    if (nves.length === MAX_NVES) break;
    nves.push(nve);
  }
  return sampleOf(atMs, ready, metrics, nves, before);
}

async function print(session: Session, sample: Sample): Promise<void> {
  const { atMs: _atMs, counters: _counters, ...told } = sample;
  if (session.format === 'json' || session.format === 'ndjson') return session.out(jsonLine(told));
  if (session.format === 'csv') return session.out(csvRows(LOOK_FIELDS, [sample]));
  if (session.format === 'yaml') return session.out(`---\n${yaml(told)}`);
  if (session.format === 'name') return session.out([...new Set(sample.unproven.map(({ nveId }) => `nve/${visible(nveId)}\n`))].join(''));
  return session.out(`${topText(sample, session.paint, session.client.server)}\n`);
}

const rate = (perSecond: number | null): string => (perSecond === null ? '-' : `${perSecond.toFixed(1)}/s`);

/** A look, for people. */
export function topText(sample: Sample, paint: Paint, server: string): string {
  const { ready, head, foldPosition, publishedPosition, rates, lags, nves, unproven } = sample;
  const state = ready ? { text: 'ready', paint: paint.good } : { text: 'not ready', paint: paint.bad };
  const rows = [
    ['NVA', { text: visible(server), paint: paint.heading }],
    ['State', state],
    ['Log', `head ${head ?? '-'}, fold ${foldPosition}${publishedPosition === null ? '' : `, published ${publishedPosition}`}`],
    ['Events', rate(rates.events)],
    ['Requests', `${rate(rates.requests)}, refused or failed ${rate(rates.failures)}`],
    ['Append', rates.appendMs === null ? '-' : `${rates.appendMs.toFixed(1)} ms`],
    ['Published after', rates.publishDelayMs === null ? '-' : `${rates.publishDelayMs.toFixed(1)} ms`],
    ['NVEs', `${nves.known} known, ${nves.reachable} reachable, ${nves.unproven} with a table that is not proven`],
  ] as const;
  const lagTable = table(
    lags,
    [
      { title: 'CONSUMER', cell: ({ consumer }) => consumer },
      { title: 'BEHIND', cell: ({ positions }) => ({ text: `${positions ?? '-'}`, paint: positions ? paint.warn : paint.good }) },
      { title: 'SECONDS', cell: ({ seconds }) => (seconds === null ? '-' : seconds.toFixed(1)) },
    ],
    paint,
  );
  const shown = unproven.slice(0, SHOWN);
  const unprovenTable = table<Unproven>(
    shown,
    [
      { title: 'NVE', cell: ({ nveId }) => nveId },
      { title: 'VNID', cell: ({ vnid }) => String(vnid) },
      { title: 'STATUS', cell: ({ status }) => ({ text: status, paint: status === 'reachable' ? paint.good : paint.bad }) },
      { title: 'VERDICT', cell: ({ verdict }) => ({ text: verdict, paint: paint.warn }) },
      { title: 'APPLIED', cell: ({ position }) => position ?? '-' },
    ],
    paint,
  );
  return [
    fields(rows, paint),
    lags.length === 0 ? '' : `\n${lagTable}`,
    unproven.length === 0 ? '' : `\n${unprovenTable}${unproven.length > SHOWN ? `and ${unproven.length - SHOWN} more\n` : ''}`,
  ].join('');
}
