import { csvFields } from '@nva/codec';
import type { Command } from 'commander';
import type { Conflict, FeedValue, Instant, Problem } from '../api/answers.ts';
import { wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { NOTHING } from '../output/columns.ts';
import type { Paint } from '../output/paint.ts';
import { table, type Cell } from '../output/table.ts';
import { visible } from '../output/visible.ts';
import { readDocuments, readText } from '../apply/input.ts';
import { Session, wholeNumber } from '../session.ts';
import { recordText } from './history.ts';

const MAX_VNID = 0xff_ff_ff;

type Step = Readonly<Record<string, unknown>>;

interface Options {
  readonly file: readonly string[];
  readonly at?: string;
  readonly steps: readonly Step[];
}

/** What would come of steps that nobody gives (contract, `POST /v1/what-if`). */
export interface WhatIf {
  readonly at: Instant;
  readonly steps: readonly ({
    readonly step: number;
    readonly command?: string;
    readonly scenario?: string;
    readonly status: number;
    readonly recorded: boolean;
    /** Of commands only, as far as they are not refused. */
    readonly effective?: boolean;
    readonly conflicts?: readonly Conflict[];
    readonly memberships?: readonly number[];
    /** Of a sweep, and of a VN that is emptied. */
    readonly done?: number;
    readonly remaining?: number;
    readonly events: readonly { readonly type: string; readonly stream: string }[];
    readonly note?: string;
  } & Partial<Problem>)[];
  readonly feeds: readonly {
    readonly feed: string;
    readonly told: boolean;
    readonly added: number;
    readonly changed: number;
    readonly removed: number;
    readonly changes: readonly { readonly key: string; readonly before: FeedValue; readonly after: FeedValue; readonly step: number }[];
  }[];
  readonly nves: readonly {
    readonly nveId: string;
    readonly gained: number;
    readonly lost: number;
    readonly changed: number;
    readonly joined: readonly number[];
    readonly left: readonly number[];
  }[];
  readonly reachability: {
    readonly lost: number;
    readonly gained: number;
    readonly lostPairs: readonly Pair[];
    readonly gainedPairs: readonly Pair[];
  };
  readonly conflicts: { readonly appeared: readonly Held[]; readonly ended: readonly Held[] };
  readonly partial: readonly string[];
  readonly sentences: readonly string[];
}

interface Pair {
  readonly vnid: number;
  readonly a: string;
  readonly b: string;
}

interface Held {
  readonly tsId: string;
  readonly vnid: number;
  readonly address: string;
  readonly heldBy?: string;
}

export function addWhatIf(program: Command, io: Io): void {
  // Options of scenarios are steps in the order in which they are given.
  const steps: Step[] = [];
  const scenario =
    (name: string, fieldsOf: (text: string) => Step) =>
    (text: string): string => {
      steps.push({ scenario: name, ...fieldsOf(text) });
      return text;
    };
  program
    .command('what-if')
    .summary('what would come of commands and failures; nothing is changed')
    .description(
      'Tell what would come of commands and failures, in order: those of files first (YAML or NDJSON, each a line of POST /v1/commands or a scenario), then those of the options. Nothing is changed.',
    )
    .option(
      '-f, --file <file>',
      'steps as YAML or NDJSON, «-» for standard input; may be repeated',
      (file: string, before: string[]) => [...before, file],
      [],
    )
    .option(
      '--nve-fails <id>',
      'an NVE fails',
      scenario('nve-fails', (nveId) => ({ nveId })),
    )
    .option(
      '--site-fails <id>',
      'every NVE of a site fails',
      scenario('site-fails', (siteId) => ({ siteId })),
    )
    .option(
      '--vn-deleted <vnid>',
      'a VN is deleted, with all in it',
      scenario('vn-deleted', (vnid) => ({ vnid: wholeNumber(vnid, 1, MAX_VNID) })),
    )
    .option(
      '--distributor-stops <shards>',
      'a distributor stops, such as that of the shards 0-31',
      scenario('distributor-stops', (shards) => ({ shards })),
    )
    .option('--at <instant>', 'as it would have been at a position or a time (RFC 3339)')
    .action((options: Options, command: Command) => whatIf(new Session(command, io), { ...options, steps }));
}

async function whatIf(session: Session, { file, at, steps }: Options): Promise<void> {
  const read: unknown[] = [];
  for (const name of file) read.push(...stepsOf(await readText(name, session.io), name));
  const all = [...read, ...steps];
  if (all.length === 0) throw wrongUsage('what-if needs steps: -f, or an option for a scenario');
  const body = { ...(at !== undefined && { at }), steps: all };
  const { body: answer } = await session.client.call<WhatIf>('POST', '/v1/what-if', { body });
  const changes = answer.feeds.flatMap(({ feed, changes: of }) => of.map((change) => ({ feed, ...change })));
  await session.show(
    answer,
    () => answer.feeds.map(({ feed }) => feed),
    () => whatIfText(answer, session.paint),
    { items: changes, fields: csvFields<(typeof changes)[number]>('feed', 'key', 'before', 'after', 'step') },
  );
  if (session.format === 'csv' && answer.partial.length > 0) session.say(`not all is told: ${answer.partial.join(', ')}`);
}

/** Steps of a file: a list, `{steps: […]}`, or a step each in documents of YAML or lines of NDJSON. */
export function stepsOf(text: string, file: string): readonly unknown[] {
  return readDocuments(text, file).flatMap(({ value: document }): readonly unknown[] => {
    if (Array.isArray(document)) return document as unknown[];
    if (typeof document !== 'object' || document === null) throw wrongUsage(`${file}: a step is a map with «command» or «scenario»`);
    const { steps } = document as { readonly steps?: unknown };
    return Array.isArray(steps) ? (steps as unknown[]) : [document];
  });
}

/** What would happen, for people: the sentences first, then steps, feeds, NVEs and pairs. */
export function whatIfText(answer: WhatIf, paint: Paint): string {
  const { at, steps, feeds, nves, reachability, conflicts, partial, sentences } = answer;
  const parts = [
    `${paint.dim(`If this were done at position ${visible(at.position)} (${visible(at.recordedAt)}):`)}\n`,
    ...sentences.map((sentence) => `${visible(sentence)}\n`),
    section('Steps', steps, () =>
      table(
        steps,
        [
          { title: 'STEP', cell: ({ step }) => String(step) },
          { title: 'WHAT', cell: ({ command, scenario }) => command ?? scenario ?? NOTHING },
          { title: 'OUTCOME', cell: (step) => outcome(step, paint) },
          { title: 'EVENTS', cell: ({ events }) => events.map(({ type, stream }) => `${type} ${stream}`).join(', ') || NOTHING },
          { title: 'WHY', cell: ({ code, detail, note }) => [code, detail, note].filter((text) => text !== undefined).join(': ') },
        ],
        paint,
      ),
    ),
    section('Feeds', feeds, () =>
      table(
        feeds,
        [
          { title: 'FEED', cell: ({ feed }) => feed },
          { title: 'TOLD', cell: ({ told }) => ({ text: told ? 'yes' : 'no', paint: told ? paint.good : paint.bad }) },
          { title: '+', cell: ({ added }) => count('+', added, paint) },
          { title: '~', cell: ({ changed }) => count('~', changed, paint) },
          { title: '-', cell: ({ removed }) => count('-', removed, paint) },
        ],
        paint,
      ),
    ),
    section(
      'Changes',
      feeds.flatMap(({ changes }) => changes),
      () =>
        table(
          feeds.flatMap(({ feed, changes }) => changes.map((change) => ({ feed, ...change }))),
          [
            { title: '', cell: ({ before, after }) => sign(before === null ? '+' : after === null ? '-' : '~', paint) },
            { title: 'FEED', cell: ({ feed }) => feed },
            { title: 'KEY', cell: ({ key }) => key },
            { title: 'BEFORE', cell: ({ key, before }) => recordText(key, before) },
            { title: 'AFTER', cell: ({ key, after }) => recordText(key, after) },
            { title: 'STEP', cell: ({ step }) => String(step) },
          ],
          paint,
        ),
    ),
    section('NVEs', nves, () =>
      table(
        nves,
        [
          { title: 'NVE', cell: ({ nveId }) => nveId },
          { title: 'GAINED', cell: ({ gained }) => count('+', gained, paint) },
          { title: 'LOST', cell: ({ lost }) => count('-', lost, paint) },
          { title: 'CHANGED', cell: ({ changed }) => count('~', changed, paint) },
          { title: 'JOINED', cell: ({ joined }) => joined.join(',') || NOTHING },
          { title: 'LEFT', cell: ({ left }) => left.join(',') || NOTHING },
        ],
        paint,
      ),
    ),
    pairs('Pairs that could no longer reach each other', '-', reachability.lost, reachability.lostPairs, paint),
    pairs('Pairs that could reach each other then', '+', reachability.gained, reachability.gainedPairs, paint),
    held('Conflicts that would appear', '-', conflicts.appeared, paint),
    held('Conflicts that would end', '+', conflicts.ended, paint),
    partial.length === 0 ? '' : `\n${paint.warn(`Not all is told, for these bounds were met: ${partial.map(visible).join(', ')}`)}\n`,
  ];
  return parts.join('');

  function section(title: string, items: readonly unknown[], text: () => string): string {
    return items.length === 0 ? '' : `\n${paint.heading(title)}\n${text()}`;
  }
}

function outcome({ status, recorded, effective, done, remaining }: WhatIf['steps'][number], paint: Paint): Cell {
  if (status >= 300) return { text: `refused (${status})`, paint: paint.bad };
  if (!recorded) return { text: 'changes nothing', paint: paint.dim };
  if (effective === false) return { text: 'not effective', paint: paint.warn };
  const swept = done === undefined ? '' : ` (${done} done, ${remaining ?? 0} left)`;
  return { text: `effective${swept}`, paint: paint.good };
}

const sign = (of: string, paint: Paint): Cell => ({ text: of, paint: (text) => paint.sign(of, text) });
const count = (of: string, number: number, paint: Paint): Cell =>
  number === 0 ? '0' : { text: String(number), paint: (text) => paint.sign(of, text) };

function pairs(title: string, of: string, number: number, shown: readonly Pair[], paint: Paint): string {
  if (number === 0) return '';
  const rest = number > shown.length ? `${paint.dim(`and ${number - shown.length} more`)}\n` : '';
  const rows = table(
    shown,
    [
      { title: '', cell: () => sign(of, paint) },
      { title: 'VNID', cell: ({ vnid }) => String(vnid) },
      { title: 'A', cell: ({ a }) => a },
      { title: 'B', cell: ({ b }) => b },
    ],
    paint,
  );
  return `\n${paint.heading(`${title}: ${number}`)}\n${rows}${rest}`;
}

function held(title: string, of: string, items: readonly Held[], paint: Paint): string {
  if (items.length === 0) return '';
  const rows = table(
    items,
    [
      { title: '', cell: () => sign(of, paint) },
      { title: 'TENANT SYSTEM', cell: ({ tsId }) => tsId },
      { title: 'VNID', cell: ({ vnid }) => String(vnid) },
      { title: 'ADDRESS', cell: ({ address }) => address },
      { title: 'HELD BY', cell: ({ heldBy }) => heldBy ?? NOTHING },
    ],
    paint,
  );
  return `\n${paint.heading(`${title}: ${items.length}`)}\n${rows}`;
}
