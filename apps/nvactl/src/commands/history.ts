import { CSV_LISTS, type CsvField } from '@nva/codec';
import type { Command } from 'commander';
import { isIP } from 'node:net';
import type { Difference, Explanation, FeedValue, Happened, Instant, Mapping, Reachability, TimelineItem, Trace } from '../api/answers.ts';
import { PAGE, type Page } from '../api/client.ts';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { addressOf, NOTHING, places } from '../output/columns.ts';
import type { Paint } from '../output/paint.ts';
import { table, type Cell, type Column } from '../output/table.ts';
import { visible } from '../output/visible.ts';
import { Session, wholeNumber, type Listing } from '../session.ts';

const MAX_ITEMS = 1_000_000_000;
const AT = ['--at <instant>', 'as it was at a position or a time (RFC 3339)'] as const;
const FROM = ['--from <instant>', 'after that position or time'] as const;
const TO = ['--to <instant>', 'up to that position or time, now unless given'] as const;

interface Options {
  readonly vn?: string;
  readonly nve?: string;
  readonly ts?: string;
  readonly tenant?: string;
  readonly ip?: string;
  readonly mac?: string;
  readonly at?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: number;
}

/** The questions that the history of the NVA answers. */
export function addHistory(program: Command, io: Io): void {
  program
    .command('explain')
    .summary('why an address is in a VN, or is not')
    .description('Tell why an address is in a VN or is not: the events that made it so, and which NVEs have proven to hold it.')
    .argument('<vnid>', 'the VN')
    .argument('<address>', 'an IP or a MAC')
    .option('--nve <id>', 'as that NVE sees it')
    .option(...AT)
    .action((vnid: string, address: string, options: Options, command: Command) =>
      explain(new Session(command, io), vnid, address, options),
    );

  program
    .command('trace')
    .summary('the way of a packet')
    .description('Tell the way of a packet from a tenant system to an address, step by step, by the tables that NVEs were told.')
    .argument('<from>', 'the tenant system that sends')
    .argument('<to>', 'an IP or a MAC')
    .option('--vn <vnid>', 'the VN, where the sender is in several')
    .option('--tenant <id>', 'its tenant, where several have a tenant system of that id')
    .option(...AT)
    .action((from: string, to: string, options: Options, command: Command) => trace(new Session(command, io), from, to, options));

  program
    .command('reachability')
    .summary('when two tenant systems could reach each other')
    .description('Tell when two tenant systems could reach each other, and which events began and ended that.')
    .argument('<a>', 'a tenant system')
    .argument('<b>', 'another one')
    .option('--tenant <id>', 'their tenant, where several have tenant systems of these ids')
    .option(...FROM)
    .option(...TO)
    .action((a: string, b: string, options: Options, command: Command) => reachability(new Session(command, io), a, b, options));

  program
    .command('diff')
    .summary('what is different from an earlier instant')
    .description(
      `Tell what is different in a VN, or in all that an NVE holds, from one instant to another, and by which events. Exits with ${EXIT.different} if anything is.`,
    )
    .option('--vn <vnid>', 'in that VN')
    .option('--nve <id>', 'in what that NVE holds')
    .requiredOption('--from <instant>', 'the earlier position or time')
    .option(...TO)
    .action((options: Options, command: Command) => diff(new Session(command, io), options));

  program
    .command('timeline')
    .summary('what happened, in the order of the log')
    .description('Tell what happened to a VN, an NVE, a tenant system, or an address (--vn with --ip or --mac).')
    .option('--vn <vnid>', 'to that VN')
    .option('--nve <id>', 'to that NVE')
    .option('--ts <id>', 'to that tenant system')
    .option('--tenant <id>', 'its tenant, where several have a tenant system of that id')
    .option('--ip <address>', 'to that address in the VN')
    .option('--mac <address>', 'to that address in the VN')
    .option(...FROM)
    .option(...TO)
    .option('--limit <number>', 'no more than so many events', (text) => wholeNumber(text, 1, MAX_ITEMS))
    .action((options: Options, command: Command) => timeline(new Session(command, io), options));
}

/** An address as a field of a query: an IP, or else a MAC. */
export const asAddress = (address: string): { readonly ip: string } | { readonly mac: string } =>
  isIP(address) === 0 ? { mac: address } : { ip: address };

async function explain(session: Session, vnid: string, address: string, { nve, at }: Options): Promise<void> {
  const answer = await session.client.get<Explanation>('/v1/explain', { vnid, ...asAddress(address), nveId: nve, at });
  await session.show(
    answer,
    () => [answer.reason],
    () => explanationText(answer, session.paint, session.format === 'wide'),
    { items: answer.chain, fields: CHAIN_FIELDS },
  );
}

/** The sentences; the events and the proof as tables too if it is `wide`. */
export function explanationText({ sentences, chain, proof, partial, there }: Explanation, paint: Paint, wide: boolean): string {
  const [first = '', ...others] = sentences.map(visible);
  const parts = [`${[there ? paint.good(first) : paint.warn(first), ...others].join('\n')}\n`];
  if (wide && chain.length > 0) {
    const contributed: Column<Explanation['chain'][number]> = {
      title: 'CONTRIBUTED',
      cell: (event) => event.contributed.join(', ') || NOTHING,
    };
    parts.push(`\n${table(chain, [...HAPPENED, contributed], paint)}`);
  }
  if (partial) parts.push(`${paint.dim('more has happened than was looked at')}\n`);
  if (wide && proof) {
    const rows = [
      ...proof.proven.map(({ nveId, position }) => ({ nveId, proven: true, what: `position ${position}` })),
      ...proof.unproven.map(({ nveId, since, why }) => ({
        nveId,
        proven: false,
        what: `${why}${since === null ? '' : `, since ${since}`}`,
      })),
    ];
    const columns: readonly Column<(typeof rows)[number]>[] = [
      { title: 'NVE', cell: ({ nveId }) => nveId },
      { title: 'PROVEN', cell: ({ proven }) => ({ text: proven ? 'yes' : 'no', paint: proven ? paint.good : paint.warn }) },
      { title: 'WHY', cell: ({ what }) => what },
    ];
    if (rows.length > 0) parts.push(`\n${table(rows, columns, paint)}`);
  }
  return parts.join('');
}

const HAPPENED_FIELDS = CSV_LISTS.timeline.filter(([name]) => name !== 'changes') as readonly CsvField<unknown>[];
const CHAIN_FIELDS: readonly CsvField<Explanation['chain'][number]>[] = [
  ...HAPPENED_FIELDS,
  ['contributed', (one) => one.contributed.join(', ')],
];
const INTERVAL_FIELDS: readonly CsvField<Reachability['intervals'][number]>[] = [
  ['vnid', ({ vnid }) => vnid],
  ...(['began', 'ended'] as const).flatMap((end) =>
    (['position', 'recordedAt', 'actor', 'what'] as const).map((name): CsvField<Reachability['intervals'][number]> => [
      `${end}.${name}`,
      (interval) => interval[end]?.[name],
    ]),
  ),
];

const HAPPENED: readonly Column<Happened>[] = [
  { title: 'POSITION', cell: ({ position }) => position },
  { title: 'RECORDED AT', cell: ({ recordedAt }) => recordedAt },
  { title: 'ACTOR', cell: ({ actor }) => actor },
  { title: 'WHAT', cell: ({ what }) => what },
];

async function trace(session: Session, from: string, to: string, { vn, tenant, at }: Options): Promise<void> {
  const answer = await session.client.get<Trace>('/v1/trace', { from, to, vnid: vn, tenantId: tenant, at });
  const { paint } = session;
  await session.show(
    answer,
    () => [answer.outcome],
    () => {
      const painted = { delivered: paint.good, flooded: paint.warn }[answer.outcome] ?? paint.bad;
      return `${painted(visible(answer.outcome))} ${paint.dim(`at position ${visible(answer.at.position)}`)}\n${answer.sentences.map((sentence) => `  ${visible(sentence)}\n`).join('')}`;
    },
  );
}

async function reachability(session: Session, a: string, b: string, { tenant, from, to }: Options): Promise<void> {
  const answer = await session.client.get<Reachability>('/v1/reachability', { a, b, tenantId: tenant, from, to });
  const { paint } = session;
  const end = (event: Happened | null, otherwise: string): string =>
    event === null ? otherwise : `${event.recordedAt} (${event.position}, ${event.actor} ${event.what})`;
  await session.show(
    answer,
    () => [answer.reachable ? 'reachable' : 'unreachable'],
    () =>
      `${answer.sentences.map((sentence) => `${visible(sentence)}\n`).join('')}${
        session.format !== 'wide' || answer.intervals.length === 0
          ? ''
          : `\n${table(
              answer.intervals,
              [
                { title: 'VNID', cell: ({ vnid }) => String(vnid) },
                { title: 'BEGAN', cell: ({ began }) => end(began, 'before') },
                { title: 'ENDED', cell: ({ ended }) => (ended ? end(ended, '') : { text: 'not yet', paint: paint.good }) },
              ],
              paint,
            )}`
      }${answer.partial ? `${paint.dim('the VN changed too often: ask from a later instant on for the rest')}\n` : ''}`,
    { items: answer.intervals, fields: INTERVAL_FIELDS },
  );
}

interface DiffPage extends Page<Difference> {
  readonly from: Instant;
  readonly to: Instant;
}

async function diff(session: Session, { vn, nve, from, to }: Options): Promise<void> {
  if ((vn === undefined) === (nve === undefined)) throw wrongUsage('diff needs either --vn or --nve');
  let instants: Pick<DiffPage, 'from' | 'to'> | undefined;
  async function* batches(): AsyncGenerator<readonly Difference[], void> {
    const pages = session.client.pages<DiffPage>((after, before) =>
      session.client.get('/v1/diff', {
        vnid: vn,
        nveId: nve,
        from: before?.from.position ?? from,
        to: before?.to.position ?? to,
        limit: PAGE,
        after,
      }),
    );
    for await (const page of pages) {
      instants = { from: page.from, to: page.to };
      yield page.items;
    }
  }
  const count = await session.list(batches(), DIFFERENCES, (items) => ({ ...instants, items }));
  if (count > 0) throw new Differences(count);
}

/** Not an error: the exit code of a diff that found something. */
export class Differences extends Failure {
  constructor(count: number) {
    super(EXIT.different, `${count} ${count === 1 ? 'difference' : 'differences'}`);
  }
}

const SIGNS: Readonly<Record<string, string>> = { added: '+', changed: '~', removed: '-' };
const signed = (change: string, text: string, paint: Paint): Cell => ({ text, paint: (plain) => paint.sign(SIGNS[change] ?? '', plain) });

const DIFFERENCES: Listing<Difference> = {
  name: ({ vnid, key }) => `vn/${vnid}/${key}`,
  fields: CSV_LISTS.diff as readonly CsvField<unknown>[],
  columns: [
    { title: '', cell: ({ change }, paint) => signed(change, SIGNS[change] ?? change, paint) },
    { title: 'VNID', cell: ({ vnid }) => String(vnid) },
    { title: 'KEY', cell: ({ key, change }, paint) => signed(change, key, paint) },
    { title: 'BEFORE', cell: ({ key, before }) => recordText(key, before) },
    { title: 'AFTER', cell: ({ key, after }) => recordText(key, after) },
    { title: 'BY', cell: ({ event }) => `${event.actor} ${event.what} (${event.position})` },
  ],
};

/** A record of a feed in a few words. */
export function recordText(key: string, value: FeedValue): string {
  if (value === null) return NOTHING;
  if (key.startsWith('mapping/')) {
    const mapping = value as unknown as Mapping;
    return `${addressOf(mapping)} ${mapping.mac} at ${places(mapping.attachments)}`;
  }
  if (key.startsWith('member/')) {
    const { addresses = [], reachable } = value as { readonly addresses?: readonly string[]; readonly reachable?: boolean };
    return `${addresses.join(',')} ${reachable ? 'reachable' : 'unreachable'}`;
  }
  if (key === 'context') return `${String(value['name'])}, ${String(value['service'])} over ${String(value['encapsulation'])}`;
  // What is only supposed has neither.
  if (key.startsWith('vn/'))
    return value['since'] === undefined ? 'member' : `member since ${String(value['since'])}, topic ${String(value['topic'])}`;
  return JSON.stringify(value);
}

interface TimelinePage extends Page<TimelineItem> {
  readonly from?: Instant;
  readonly to: Instant;
}

const HAPPENINGS: Listing<TimelineItem> = {
  name: ({ position }) => `event/${position}`,
  fields: CSV_LISTS.timeline as readonly CsvField<unknown>[],
  columns: [...HAPPENED, { title: 'TYPE', cell: ({ type }) => type, wide: true }, { title: 'CHANGES', cell: (item) => changesText(item) }],
};

/** What happened is printed as it is read, page by page. */
async function timeline(session: Session, options: Options): Promise<void> {
  const { vn, nve, ts, tenant, ip, mac, from, to, limit = Infinity } = options;
  if ([vn, nve, ts].filter((one) => one !== undefined).length !== 1) throw wrongUsage('timeline needs one of --vn, --nve and --ts');
  if ((ip ?? mac) !== undefined && vn === undefined) throw wrongUsage('an address is one of a VN: give --vn');
  const query = { vnid: vn, nveId: nve, tsId: ts, tenantId: tenant, ip, mac, from };
  let instants: Pick<TimelinePage, 'from' | 'to'> | undefined;
  let more: string | null = null;
  async function* batches(): AsyncGenerator<readonly TimelineItem[], void> {
    let left = limit;
    const pages = session.client.pages<TimelinePage>((after, before) =>
      session.client.get('/v1/timeline', { ...query, to: before?.to.position ?? to, limit: Math.min(PAGE, left + 1), after }),
    );
    for await (const page of pages) {
      instants = { ...(page.from && { from: page.from }), to: page.to };
      const items = page.items.slice(0, left);
      yield items;
      if (page.items.length > left) {
        more = items.at(-1)!.position;
        return;
      }
      left -= items.length;
    }
  }
  await session.list(batches(), HAPPENINGS, (items) => ({ ...instants, items }));
  if (more !== null) session.say(`there is more after position ${more}`);
}

function changesText({ changes }: TimelineItem): string {
  const few = changes
    .slice(0, 3)
    .map(({ vnid, nveId, key, value }) => `${value === null ? '-' : '+'}${vnid === undefined ? `nve/${nveId}` : `vn/${vnid}`}/${key}`);
  return `${few.join(' ')}${changes.length > few.length ? ` and ${changes.length - few.length} more` : ''}` || NOTHING;
}
