import { csvFields, csvHeader, csvRow, type CsvField, type Mapping } from '@nva/codec';
import { importLog } from '@nva/event-log';
import { feedKey, silentLogger, type Position } from '@nva/ports';
import { lastNotAfter, Player, readCondition, Verification, type Claim, type Difference, type Played, type PlayOptions } from '@nva/replay';
import { SnapshotDirectory } from '@nva/snapshots';
import type { Command } from 'commander';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { newFile } from '../archive/new-file.ts';
import { entriesOf, fieldsOfTable, readTableName, type TableEntry, type TableName } from '../archive/played-table.ts';
import { explained, fileSource, makeFolder, serverSource, type Source } from '../archive/source.ts';
import { interrupted } from '../api/client.ts';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { Progress } from '../output/progress.ts';
import { MAPPING_COLUMNS, mappingName, TABLE_COLUMNS } from '../output/columns.ts';
import { csvNames, csvRows, jsonLine, type Format } from '../output/formats.ts';
import { table, type Column } from '../output/table.ts';
import { visible } from '../output/visible.ts';
import { Session, type Listing } from '../session.ts';

const MAX_SPEED = 1_000_000;
/** Entries that are written at once. */
const PER_PIECE = 1_000;
/** The last time that there is in JavaScript. */
const LAST_TIME_MS = 8_640_000_000_000_000;
/** Records that a line about an event names. */
const NAMED = 3;

interface Options {
  readonly to?: string;
  readonly until?: string;
  readonly speed?: number;
  readonly step?: true;
  readonly show?: true;
  readonly into?: string;
  readonly out?: string;
  readonly table?: string;
  readonly topics?: string;
  readonly brokers?: string;
  readonly verify?: true;
  readonly snapshots?: string;
}

export function addReplay(program: Command, io: Io): void {
  program
    .command('replay')
    .summary('play the log again: to an instant, until something happens, at a pace, step by step')
    .description(
      `Play the events of a log again, from a file that export made or from the NVA itself, and fold them as it does. It goes to the end, to an instant (--to), or until something happens (--until); as fast as it can, at a multiple of real time (--speed 10x), or one event at each return key (--step). What comes of it goes into a new data folder (--into), to topics (--topics, --brokers), or to a file of changed records (--out); without any of these, it is shown or verified only. --table shows the table of a VN or an NVE as it is at the end, or puts it into the file of --out: as lines of JSON, or as CSV with -o csv or if the name of the file ends in .csv.

A condition has vnid=, ip=, mac=, tsId=, nveId=, type=, actor=, and what happens to a record of that: changes, appears or disappears. For example: --until 'vnid=100 ip=192.0.2.1 changes'.

--verify holds every table that the replay makes against what others say: the NVA itself where it is the source, snapshots (--snapshots <folder>), topics (--topics, which are then only read). It exits with ${EXIT.different} if anything differs.`,
    )
    .argument('[file]', 'a file that export made; without it, the log of the NVA is played')
    .option('--to <instant>', 'the last event: a position, or a time (RFC 3339)')
    .option('--until <condition>', 'end with the first event that meets this')
    .option('--speed <times>', 'a multiple of real time, such as 10x', speedOf)
    .option('--step', 'wait for the return key before each event')
    .option('--show', 'a line for each event')
    .option('--into <folder>', 'a new data folder for what is played')
    .option('--out <file>', 'a new file of changed records, or of the --table, a line each (NDJSON, or CSV)')
    .option('--table <name>', 'the table of a VN or an NVE at the end: vn/100, nve/leaf-1')
    .option('--topics <prefix>', 'publish on topics of this prefix; with --verify, compare them')
    .option('--brokers <list>', 'the brokers for --topics: host:port, with commas between')
    .option('--verify', 'compare digests of tables')
    .option('--snapshots <folder>', 'a folder of snapshots of the NVA, for --verify')
    .action((file: string | undefined, options: Options, command: Command) => replay(new Session(command, io), file, options));
}

function speedOf(text: string): number {
  const speed = Number(/^(\d{1,7}(?:\.\d{1,3})?)x?$/.exec(text)?.[1] ?? Number.NaN);
  if (!(speed > 0 && speed <= MAX_SPEED)) throw wrongUsage(`--speed is a multiple of real time such as 10x, got ${JSON.stringify(text)}`);
  return speed;
}

async function replay(session: Session, file: string | undefined, options: Options): Promise<void> {
  check(options);
  const source = file === undefined ? serverSource(session, options.to) : fileSource(file, session);
  await explained(source.name, () => play(session, source, file === undefined, options));
}

function check({ into, out, table: name, topics, brokers, verify, snapshots, step, speed }: Options): void {
  if ((topics === undefined) !== (brokers === undefined)) throw wrongUsage('--topics and --brokers go together');
  if (snapshots !== undefined && !verify) throw wrongUsage('--snapshots is for --verify');
  if ([into, out, verify ? undefined : topics].filter((one) => one !== undefined).length > 1)
    throw wrongUsage('a replay goes to one place: --into, --out or --topics');
  if (verify && (into ?? out) !== undefined) throw wrongUsage('--verify makes nothing: no --into and no --out with it');
  if (step && speed !== undefined) throw wrongUsage('--step has no --speed');
  if (name !== undefined && (into ?? topics ?? verify) !== undefined) throw wrongUsage('--table goes to the output, or to --out');
}

async function play(session: Session, source: Source, isServer: boolean, options: Options): Promise<void> {
  const { io } = session;
  const { until, speed, step, into, out, topics, brokers, verify } = options;
  const name = options.table === undefined ? null : readTableName(options.table);
  const to = await positionOf(source, isServer, options.to);
  const archive = await source.open();
  const { log: logId, schemas } = archive.header;
  const last = Math.min(to ?? archive.header.to, archive.header.to);
  const verification = verify ? new Verification(await claims(session, isServer, last, options)) : undefined;
  using stepper = step ? new Stepper(session) : undefined;
  const playOptions: PlayOptions = {
    ...(options.to !== undefined && { to: last }),
    clock: io.clock,
    signal: io.signal,
    ...(until !== undefined && { until: readCondition(until) }),
    ...(speed !== undefined && { speed }),
    ...(stepper && { step: (next) => stepper.wait(next.position, next.event.type) }),
    ...(verification && { verification }),
  };
  const player = new Player(archive, playOptions);
  let events = 0;
  {
    if (session.format === 'csv' && (step || options.show)) await session.out(csvNames(PLAYED_FIELDS));
    using progress = new Progress(io, 'replay', step || options.show ? 0 : last);
    async function* shown(): AsyncGenerator<readonly Played[], void> {
      for await (const batch of player.play()) {
        if (io.signal.aborted) throw interrupted();
        events += batch.length;
        progress.update(batch.at(-1)!.position);
        if (step || options.show) await show(session, batch);
        yield batch;
      }
      // What is made of a part of it is not kept.
      if (io.signal.aborted) throw interrupted();
    }
    if (into !== undefined) {
      await makeFolder(into);
      await importLog({ directory: join(into, 'log'), logId, schemas, clock: io.clock }, shown());
    } else if (out !== undefined && name === null) await writeChanges(out, shown(), session.format);
    else if (topics !== undefined && !verify)
      await (await kafka()).publish(logId, shown(), { brokers: brokers!.split(','), prefix: topics, clock: io.clock });
    else for await (const _ of shown());
  }
  verification?.end(player.network, player.digests);
  if (name !== null) return showTable(session, player, events, name, out);
  // The events were the table.
  if (session.format === 'csv' && !verification && (step || options.show)) return session.say(summary(player, events));
  await tell(session, player, events, verification);
}

/** Loaded where it is asked for: every other command starts sooner without a client of Kafka. */
const kafka = () => import('../archive/topics.ts');

/** The position that an instant means; null for none. An NVA reads it itself. */
async function positionOf(source: Source, isServer: boolean, to: string | undefined): Promise<Position | null> {
  if (to === undefined || isServer) return null;
  if (/^\d{1,16}$/.test(to)) return Number(to);
  const timeMs = Date.parse(to);
  if (!/^\d{4}-\d\d-\d\dT/.test(to) || Number.isNaN(timeMs))
    throw wrongUsage(`--to is a position, or a time as RFC 3339 has it, got ${JSON.stringify(to)}`);
  const found = await lastNotAfter(await source.open(), timeMs);
  if (found === null) throw new Failure(EXIT.notFound, `no event of ${source.name} was recorded by ${to}`);
  return found;
}

async function claims(
  session: Session,
  isServer: boolean,
  last: Position,
  { snapshots, topics, brokers }: Options,
): Promise<readonly Claim[]> {
  const { io } = session;
  const found: Claim[] = [];
  const vnids = new Set<number>();
  if (isServer)
    for await (const { vnid, digest } of session.client.items<{ vnid: number; digest: string }>('/v1/vns', { at: String(last) })) {
      vnids.add(vnid);
      found.push({ by: session.client.server, position: last, vnid, digest });
    }
  if (snapshots !== undefined) {
    const directory = new SnapshotDirectory({ path: snapshots, clock: io.clock, logger: silentLogger });
    for (const position of await directory.positions()) {
      if (position > last) continue;
      const restored = await directory.restore({ refuse: async () => null }, position, position - 1);
      if (!restored) throw new Failure(EXIT.refused, `the snapshot of position ${position} in ${snapshots} cannot be used`);
      for (const { state, alive } of restored.network.vns.values())
        if (alive)
          found.push({
            by: `the snapshot of position ${position}`,
            position,
            vnid: state.vnid,
            digest: restored.digests.current(`vn/${state.vnid}`).digest,
          });
    }
  }
  if (topics !== undefined) {
    for (const { vnid } of found) vnids.add(vnid);
    if (vnids.size === 0) throw wrongUsage('to compare topics, say by what: the NVA itself as the source, or --snapshots');
    found.push(...(await (await kafka()).claimsOfTopics(vnids, { brokers: brokers!.split(','), prefix: topics, clock: io.clock })));
  }
  return found;
}

interface ChangedRecord {
  readonly position: string;
  readonly type: string;
  readonly feed: string;
  readonly key: string;
  readonly value: unknown;
}

const CHANGED_FIELDS = csvFields<ChangedRecord>('position', 'type', 'feed', 'key', 'value');
const isCsv = (file: string, format: Format): boolean => format === 'csv' || (format !== 'ndjson' && file.toLowerCase().endsWith('.csv'));

/** One line for each record that changed. */
async function writeChanges(file: string, batches: AsyncIterable<readonly Played[]>, format: Format): Promise<void> {
  const csv = isCsv(file, format);
  await newFile(file, async (put) => {
    if (csv) await put(csvHeader(CHANGED_FIELDS));
    for await (const batch of batches) {
      const text = batch
        .flatMap(({ position, event, changes }) =>
          changes.map(({ feed, key, value }): ChangedRecord => ({
            position: String(position),
            type: event.type,
            feed: feedKey(feed),
            key,
            value: value?.data ?? null,
          })),
        )
        .map((record) => (csv ? csvRow(CHANGED_FIELDS, record) : `${JSON.stringify(record)}\n`))
        .join('');
      if (text !== '') await put(text);
    }
  });
}

/** The table as it is where the replay has ended. */
async function showTable(session: Session, player: Player, events: number, name: TableName, out: string | undefined): Promise<void> {
  const { network } = player;
  const fields = fieldsOfTable(name);
  async function* batches(): AsyncGenerator<readonly TableEntry[], void> {
    yield* entriesOf(network, name);
  }
  if (out === undefined) {
    const columns = ('vnid' in name ? MAPPING_COLUMNS : TABLE_COLUMNS) as readonly Column<TableEntry>[];
    const listing: Listing<TableEntry> = { columns, fields, name: nameOfEntry };
    await session.list(batches(), listing, (items) => ({ position: String(network.position), items }));
  } else {
    const csv = isCsv(out, session.format);
    await newFile(out, async (put) => {
      if (csv) await put(csvHeader(fields));
      for await (const entries of batches())
        for (let i = 0; i < entries.length; i += PER_PIECE)
          await put(
            entries
              .slice(i, i + PER_PIECE)
              .map((entry) => (csv ? csvRow(fields, entry) : `${JSON.stringify(entry)}\n`))
              .join(''),
          );
    });
  }
  session.say(summary(player, events));
}

const nameOfEntry = (entry: TableEntry): string =>
  `${entry.vnid === undefined ? '' : `vn/${entry.vnid}/`}${mappingName(entry as unknown as Mapping)}`;

const summary = ({ network, ending }: Player, events: number): string =>
  `${events} events up to position ${network.position} (${ending}): ${[...network.vns.values()].filter(({ alive }) => alive).length} VNs, ${network.tenantSystems.size} tenant systems`;

async function tell(session: Session, player: Player, events: number, verification: Verification | undefined): Promise<void> {
  const { network, ending } = player;
  const vns = [...network.vns.values()].filter(({ alive }) => alive).length;
  const result = {
    position: String(network.position),
    ending,
    events,
    vns,
    tenantSystems: network.tenantSystems.size,
    ...(verification && { compared: verification.compared, notReached: verification.left, differences: verification.differences }),
  };
  await session.show(
    result,
    () => [result.position],
    () => {
      const text = `${summary(player, events)}\n`;
      if (!verification) return text;
      const left = verification.left === 0 ? '' : `, ${verification.left} of positions that were not reached`;
      const compared = `${verification.compared} digests compared${left}: ${verification.differences.length === 0 ? 'all are right' : `${verification.differences.length} differ`}\n`;
      if (verification.differences.length === 0) return text + compared;
      return (
        text +
        compared +
        table(
          verification.differences,
          [
            { title: 'VN', cell: ({ vnid }) => String(vnid) },
            { title: 'POSITION', cell: ({ position }) => String(position) },
            { title: 'BY', cell: ({ by }) => by },
            { title: 'SAYS', cell: ({ digest }) => digest ?? 'no VN' },
            { title: 'THE LOG SAYS', cell: ({ expected }) => expected ?? 'no VN' },
          ],
          session.paint,
        )
      );
    },
    verification
      ? {
          items: verification.differences,
          fields: csvFields<Difference>('vnid', 'position', 'by', 'digest', 'expected') as readonly CsvField<unknown>[],
        }
      : {
          items: [result],
          fields: csvFields<typeof result>('position', 'ending', 'events', 'vns', 'tenantSystems') as readonly CsvField<unknown>[],
        },
  );
  if (verification && verification.differences.length > 0)
    throw new Failure(EXIT.different, `${verification.differences.length} tables differ`);
}

interface PlayedEvent {
  readonly position: string;
  readonly recordedAt: string;
  readonly actor: string;
  readonly type: string;
  readonly stream: string;
  readonly changes: readonly string[];
}

const PLAYED_FIELDS: readonly CsvField<PlayedEvent>[] = [
  ...csvFields<PlayedEvent>('position', 'recordedAt', 'actor', 'type', 'stream'),
  // A sign would be taken for a formula.
  ['changes', ({ changes }) => changes.map((change) => change.replace(/^\+/, 'set:').replace(/^-/, 'removed:'))],
];

/** Events as they are played: lines for people, which stand beside the output in JSON, YAML and names; or lines for programs. */
async function show(session: Session, batch: readonly Played[]): Promise<void> {
  const events = batch.map(({ position, stream, event, changes }): PlayedEvent => ({
    position: String(position),
    recordedAt: timeOf(event.data.audit.recordedAt),
    actor: event.data.audit.actor,
    type: event.type,
    stream,
    changes: changes.map(({ feed, key, value }) => `${value ? '+' : '-'}${feedKey(feed)}/${key}`),
  }));
  switch (session.format) {
    case 'ndjson':
      return session.out(events.map(jsonLine).join(''));
    case 'csv':
      return session.out(csvRows(PLAYED_FIELDS, events));
    case 'table':
    case 'wide':
      return session.out(events.map(lineOf).join(''));
    default:
      return void session.io.stderr.write(events.map(lineOf).join(''));
  }
}

/** A time in an archive may be none. */
const timeOf = (ms: number): string => (Math.abs(ms) <= LAST_TIME_MS ? new Date(ms).toISOString() : String(ms));

function lineOf({ position, recordedAt, actor, type, changes }: PlayedEvent): string {
  const more = changes.length > NAMED ? ` and ${changes.length - NAMED} more` : '';
  return `${visible(`${position} ${recordedAt} ${actor} ${type} ${changes.slice(0, NAMED).join(' ')}${more}`.trimEnd())}
`;
}

/** Waits for the return key before each event; the end of the input, or a q, ends the replay. */
class Stepper implements Disposable {
  readonly #session: Session;
  readonly #lines: AsyncIterator<string>;
  readonly #close: () => void;

  constructor(session: Session) {
    this.#session = session;
    const { io } = session;
    const terminal = createInterface({ input: io.stdin as NodeJS.ReadStream, terminal: false });
    this.#close = () => terminal.close();
    io.signal.addEventListener('abort', this.#close, { once: true });
    this.#lines = terminal[Symbol.asyncIterator]();
  }

  async wait(position: Position, type: string): Promise<boolean> {
    const { io } = this.#session;
    if (io.stdin.isTTY) io.stderr.write(`next: ${position} ${visible(type)} [return, q to end] `);
    const { value, done } = await this.#lines.next();
    if (io.signal.aborted) throw interrupted();
    return done !== true && value.trim().toLowerCase() !== 'q';
  }

  [Symbol.dispose](): void {
    this.#session.io.signal.removeEventListener('abort', this.#close);
    this.#close();
  }
}
