import { importLog } from '@nva/event-log';
import { feedKey, silentLogger, type Position } from '@nva/ports';
import { lastNotAfter, Player, readCondition, Verification, type Claim, type Played, type PlayOptions } from '@nva/replay';
import { SnapshotDirectory } from '@nva/snapshots';
import type { Command } from 'commander';
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { finished } from 'node:stream/promises';
import { explained, fileSource, makeFolder, serverSource, type Source } from '../archive/source.ts';
import { interrupted } from '../api/client.ts';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { Progress } from '../output/progress.ts';
import { table } from '../output/table.ts';
import { visible } from '../output/visible.ts';
import { Session } from '../session.ts';

const PRIVATE_FILE = 0o600;
const MAX_SPEED = 1_000_000;
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
      `Play the events of a log again, from a file that export made or from the NVA itself, and fold them as it does. It goes to the end, to an instant (--to), or until something happens (--until); as fast as it can, at a multiple of real time (--speed 10x), or one event at each return key (--step). What comes of it goes into a new data folder (--into), to topics (--topics, --brokers), or to a file of changed records (--out); without any of these, it is shown or verified only.

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
    .option('--out <file>', 'a new file of changed records, a line each (NDJSON)')
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

function check({ into, out, topics, brokers, verify, snapshots, step, speed }: Options): void {
  if ((topics === undefined) !== (brokers === undefined)) throw wrongUsage('--topics and --brokers go together');
  if (snapshots !== undefined && !verify) throw wrongUsage('--snapshots is for --verify');
  if ([into, out, verify ? undefined : topics].filter((one) => one !== undefined).length > 1)
    throw wrongUsage('a replay goes to one place: --into, --out or --topics');
  if (verify && (into ?? out) !== undefined) throw wrongUsage('--verify makes nothing: no --into and no --out with it');
  if (step && speed !== undefined) throw wrongUsage('--step has no --speed');
}

async function play(session: Session, source: Source, isServer: boolean, options: Options): Promise<void> {
  const { io } = session;
  const { until, speed, step, into, out, topics, brokers, verify } = options;
  const to = await positionOf(source, isServer, options.to);
  const archive = await source.open();
  const { log: logId, schemas } = archive.header;
  const last = Math.min(to ?? archive.header.to, archive.header.to);
  const verification = verify ? new Verification(await claims(session, isServer, last, options)) : undefined;
  using stepper = step ? new Stepper(session) : undefined;
  const playOptions: PlayOptions = {
    ...(options.to !== undefined && { to: last }),
    clock: io.clock,
    ...(until !== undefined && { until: readCondition(until) }),
    ...(speed !== undefined && { speed }),
    ...(stepper && { step: (next) => stepper.wait(next.position, next.event.type) }),
    ...(verification && { verification }),
  };
  const player = new Player(archive, playOptions);
  let events = 0;
  {
    using progress = new Progress(io, 'replay', step || options.show ? 0 : last);
    async function* shown(): AsyncGenerator<readonly Played[], void> {
      for await (const batch of player.play()) {
        if (io.signal.aborted) throw interrupted();
        events += batch.length;
        progress.update(batch.at(-1)!.position);
        if (step || options.show) for (const one of batch) await session.out(lineOf(one));
        yield batch;
      }
    }
    if (into !== undefined) {
      await makeFolder(into);
      await importLog({ directory: join(into, 'log'), logId, schemas, clock: io.clock }, shown());
    } else if (out !== undefined) await writeChanges(out, shown());
    else if (topics !== undefined && !verify)
      await (await kafka()).publish(logId, shown(), { brokers: brokers!.split(','), prefix: topics, clock: io.clock });
    else for await (const _ of shown());
  }
  verification?.end(player.network, player.digests);
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

/** One line for each record that changed. */
async function writeChanges(file: string, batches: AsyncIterable<readonly Played[]>): Promise<void> {
  const target = createWriteStream(file, { flags: 'wx', mode: PRIVATE_FILE });
  const done = finished(target);
  done.catch(() => undefined);
  try {
    await Promise.race([once(target, 'open'), done]);
    for await (const batch of batches) {
      const text = batch
        .flatMap(({ position, event, changes }) =>
          changes.map(({ feed, key, value }) =>
            JSON.stringify({ position: String(position), type: event.type, feed: feedKey(feed), key, value: value?.data ?? null }),
          ),
        )
        .join('\n');
      if (text !== '' && !target.write(`${text}\n`)) await Promise.race([once(target, 'drain'), done]);
    }
    target.end();
    await done;
  } catch (cause) {
    target.destroy();
    if (cause instanceof Failure) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw wrongUsage(code === 'EEXIST' ? `${file} is there already` : `${file} cannot be written: ${message}`, cause);
  }
}

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
      const text = `${events} events up to position ${network.position} (${ending}): ${vns} VNs, ${network.tenantSystems.size} tenant systems\n`;
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
  );
  if (verification && verification.differences.length > 0)
    throw new Failure(EXIT.different, `${verification.differences.length} tables differ`);
}

function lineOf({ position, event, changes }: Played): string {
  const keys = changes.slice(0, NAMED).map(({ feed, key, value }) => `${value ? '' : '-'}${feedKey(feed)}:${key}`);
  const more = changes.length > NAMED ? ` and ${changes.length - NAMED} more` : '';
  const { recordedAt, actor } = event.data.audit;
  return `${visible(`${position} ${new Date(recordedAt).toISOString()} ${actor} ${event.type} ${keys.join(' ')}${more}`.trimEnd())}\n`;
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
