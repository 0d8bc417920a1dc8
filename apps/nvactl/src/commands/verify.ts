import { feedKey, type Position } from '@nva/ports';
import {
  Malformed,
  MAX_CHECKPOINTS,
  MAX_NOTE_BYTES,
  sameHash,
  show,
  tablesRoot,
  verifyLog,
  type OpenedCheckpoint,
} from '@nva/transparency';
import type { Archive } from '@nva/codec';
import type { Command } from 'commander';
import { interrupted } from '../api/client.ts';
import { explained, fileSource, type Source } from '../archive/source.ts';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { Progress } from '../output/progress.ts';
import { visible } from '../output/visible.ts';
import { openedIn, readGiven, readProof, type Given, type GivenOptions } from '../proof/given.ts';
import { leafHashes, tilesOf } from '../proof/leaf-hashes.ts';
import { compareTable, readTable, type WrongEntry } from '../proof/table-file.ts';
import { Entries, tablesAt, type FoundEvent, type Made } from '../proof/verification.ts';
import { Session, wholeNumber } from '../session.ts';

/** Entries of a table, and VNs, that the text names; -o json has all. */
const NAMED = 20;
const MAX_EVENTS = 1_000;
const MAX_VNID = 2 ** 24 - 1;

interface Options extends GivenOptions {
  readonly event: readonly number[];
  readonly continues: readonly string[];
  readonly vn?: number;
  readonly digest?: string;
  readonly table?: string;
  readonly tlog?: string;
  readonly cosigners?: number;
}

export function addVerify(program: Command, io: Io): void {
  program
    .command('verify')
    .summary('prove what is in a log, from an export and public keys alone')
    .description(
      `Prove from a file that export made and from public keys alone, without the NVA: the events are those that were signed, in their order; the tables that the checkpoint names are what the log makes; and what else is asked for. The checkpoint and the keys are what «nvactl proof get» saved (--proof), or files of their own. A key proves nothing if it came together with what it proves: get it once, from whom you trust, and keep it.

If an event was changed, removed, inserted or swapped, its position is named as exactly as can be known: to the event with the hashes that somebody else keeps (--tlog), and else by the order of the events, or by the checkpoints that still hold (--continues).`,
    )
    .argument('<export>', 'a file that export made')
    .option('--proof <folder>', 'a folder that «proof get» made')
    .option('--checkpoint <file>', 'a signed checkpoint, instead of that in the folder')
    .option('--keys <file>', 'the keys that are trusted, instead of those in the folder')
    .option('--event <position>', 'prove that this event is in the log; may be given again', addPosition, [])
    .option('--continues <file>', 'prove that the log continues this older checkpoint; may be given again', addText, [])
    .option('--vn <vnid>', 'prove the table of this VN, with --digest or --table', (text) => wholeNumber(text, 0, MAX_VNID))
    .option('--digest <hex>', 'the digest of its table, as an NVE or the NVA tells it')
    .option('--table <file>', 'its table: lines of {"key", "position", "value"}, as the feed of the VN or replay --out has them')
    .option('--tlog <place>', 'hashes of the events that somebody else keeps: a folder, or a URL such as https://nva.example/v1/tlog')
    .option('--cosigners <number>', 'require so many cosignatures of known keys', (text) => wholeNumber(text, 1, 100))
    .action((file: string, options: Options, command: Command) => verify(new Session(command, io), file, options));
}

const addText = (text: string, former: readonly string[]): readonly string[] => [...former, text];
const addPosition = (text: string, former: readonly number[]): readonly number[] => [
  ...former,
  wholeNumber(text, 1, Number.MAX_SAFE_INTEGER),
];

interface Table {
  readonly vnid: number;
  /** By the log; null: there is no such VN. */
  readonly digest: string | null;
  readonly claimed?: string;
  readonly wrong: readonly WrongEntry[];
  readonly holds: boolean;
}

async function verify(session: Session, file: string, options: Options): Promise<void> {
  check(options);
  const given = readProof(options);
  const { keys, checkpoint } = given;
  const older = options.continues.map((name) => {
    const note = readGiven(name, MAX_NOTE_BYTES);
    return { note, checkpoint: openedIn(note, name, keys, checkpoint.origin), name };
  });
  for (const one of older)
    if (one.checkpoint.logId !== checkpoint.logId)
      throw new Failure(EXIT.refused, `${one.name} is a checkpoint of log ${one.checkpoint.logId}, and not of ${checkpoint.logId}`);
  expectCosigned(checkpoint, options.cosigners ?? 0);
  const source = fileSource(file, session);
  await explained(file, () => proven(session, source, given, older, options));
}

function check({ vn, digest, table, event, continues }: Options): void {
  if (vn === undefined && (digest ?? table) !== undefined) throw wrongUsage('--digest and --table are of a VN: --vn');
  if (vn !== undefined && (digest === undefined) === (table === undefined)) throw wrongUsage('--vn needs one of --digest and --table');
  if (digest !== undefined && !/^[0-9a-f]{16}$/.test(digest)) throw wrongUsage('--digest is 16 hex digits');
  if (event.length > MAX_EVENTS) throw wrongUsage(`--event may be given ${MAX_EVENTS} times`);
  if (continues.length >= MAX_CHECKPOINTS) throw wrongUsage(`--continues may be given ${MAX_CHECKPOINTS - 1} times`);
}

const cosignaturesOf = ({ verified }: OpenedCheckpoint) => verified.filter(({ atSeconds }) => atSeconds !== null);

function expectCosigned(checkpoint: OpenedCheckpoint, least: number): void {
  const { length } = cosignaturesOf(checkpoint);
  if (length < least)
    throw new Failure(EXIT.refused, `the checkpoint has ${length} cosignatures of keys that are known, and ${least} are required`);
}

async function opened(source: Source, { checkpoint }: Given): Promise<Archive> {
  const archive = await source.open();
  const { log } = archive.header;
  if (log !== checkpoint.logId)
    throw new Failure(EXIT.refused, `the checkpoint is of log ${checkpoint.logId}, and ${source.name} is of log ${log}`);
  return archive;
}

async function proven(
  session: Session,
  source: Source,
  given: Given,
  older: readonly { readonly note: string; readonly checkpoint: OpenedCheckpoint }[],
  options: Options,
): Promise<void> {
  const { io } = session;
  const { checkpoint, keys, note } = given;
  const archive = await opened(source, given);
  const largest = Math.max(checkpoint.size, ...older.map((one) => one.checkpoint.size));
  using progress = new Progress(io, 'verify', archive.header.to + checkpoint.position);
  const each =
    (before: Position) =>
    (position: Position): void => {
      if (io.signal.aborted) throw interrupted();
      progress.update(before + position);
    };
  const entries = new Entries(archive, new Set(options.event), each(0));
  const hashes = options.tlog === undefined ? undefined : leafHashes(tilesOf(session, options.tlog), largest);
  const verdict = await verifyLog({
    entries,
    checkpoints: [note, ...older.map((one) => one.note)],
    origin: checkpoint.origin,
    keys,
    leafHashes: hashes,
  }).catch((cause: unknown) => {
    if (!(cause instanceof Malformed)) throw cause;
    throw new Failure(EXIT.refused, `the event at position ${entries.position} is none that was signed: ${cause.message}`, { cause });
  });
  const signed = { log: checkpoint.logId, origin: checkpoint.origin, cosigners: cosignaturesOf(checkpoint) };
  if (!verdict.holds) {
    const { fault, index, position, size, provenSize, evidence, message } = verdict;
    const result = { holds: false, ...signed, fault, index, position: String(position), size, provenSize, evidence, message };
    return fail(session, result, `${source.name} is not the log that was signed: ${message}`);
  }
  const made = await tablesAt(await opened(source, given), checkpoint.position, io.clock, each(archive.header.to));
  const result = {
    holds: true,
    ...signed,
    size: checkpoint.size,
    position: String(checkpoint.position),
    events: verdict.size,
    unsigned: verdict.unsigned,
    continues: older.map((one) => ({ size: one.checkpoint.size, position: String(one.checkpoint.position) })),
    proven: options.event.map((position) => expectEvent(entries.event(position), position, checkpoint)),
    ...tablesOf(made, given, options),
  };
  const text = `${sentences(source.name, result)}\n`;
  if (!result.tables.holds || result.table?.holds === false) return fail(session, { ...result, holds: false }, text.trimEnd());
  await session.show(
    result,
    () => [String(result.position)],
    () => text,
  );
}

async function fail(session: Session, result: { readonly holds: boolean; readonly position: string }, text: string): Promise<never> {
  await session.show(
    result,
    () => [result.position],
    () => `${text.split('\n').map(visible).join('\n')}\n`,
  );
  throw new Failure(EXIT.different, 'it is not what was signed');
}

function expectEvent(found: FoundEvent | null, position: Position, checkpoint: OpenedCheckpoint): FoundEvent {
  if (!found) throw new Failure(EXIT.notFound, `no event of the log has position ${position}`);
  if (found.index >= checkpoint.size)
    throw new Failure(EXIT.refused, `the event at position ${position} comes after the checkpoint, which ends at ${checkpoint.position}`);
  return found;
}

interface Tables {
  readonly holds: boolean;
  readonly vns: number;
  readonly root: string;
  /** Lines that were saved with the checkpoint and that the log does not make. */
  readonly differing: readonly number[];
}

function tablesOf(made: Made, { checkpoint, tables: saved }: Given, options: Options): { tables: Tables; table?: Table } {
  const holds = sameHash(made.root, checkpoint.tables);
  const own = new Map(made.tables.map(({ vnid, digest }) => [vnid, digest]));
  const isSigned = saved !== null && sameHash(tablesRoot(saved), checkpoint.tables);
  const theirs = new Map(isSigned ? saved.map(({ vnid, digest }) => [vnid, digest]) : own);
  const differing = [...new Set([...own.keys(), ...theirs.keys()])].filter((vnid) => own.get(vnid) !== theirs.get(vnid));
  const tables = { holds, vns: made.tables.length, root: show(made.root), differing };
  return options.vn === undefined ? { tables } : { tables, table: tableOf(made, options.vn, options) };
}

function tableOf({ network, tables }: Made, vnid: number, { digest: claimed, table: file }: Options): Table {
  const digest = tables.find((one) => one.vnid === vnid)?.digest ?? null;
  if (claimed !== undefined) return { vnid, digest, claimed, wrong: [], holds: digest === claimed };
  const wrong = compareTable(readTable(file!, vnid), network, vnid);
  return { vnid, digest, wrong, holds: digest !== null && wrong.length === 0 };
}

interface Result {
  readonly log: string;
  readonly size: number;
  readonly position: string;
  readonly events: number;
  readonly unsigned: number;
  readonly cosigners: readonly { readonly name: string; readonly atSeconds: number | null }[];
  readonly continues: readonly { readonly size: number; readonly position: string }[];
  readonly proven: readonly FoundEvent[];
  readonly tables: Tables;
  readonly table?: Table;
}

function sentences(name: string, result: Result): string {
  const { size, position, log, unsigned, cosigners, continues, proven: events, tables, table } = result;
  const by = cosigners.length === 0 ? 'the log' : `the log and ${cosigners.map((one) => one.name).join(', ')}`;
  const lines = [`${name} is what ${by} signed: ${size} events up to position ${position} of log ${log}`];
  if (unsigned > 0) lines.push(`${unsigned} more events came after that checkpoint, and nobody has signed them`);
  for (const one of continues) lines.push(`it continues the checkpoint of ${one.size} events (position ${one.position})`);
  for (const one of events) lines.push(`event ${one.position} is in it: ${one.type} by ${one.actor} at ${one.recordedAt} (${one.stream})`);
  const differing = tables.differing.length === 0 ? '' : `; others were signed for VN ${named(tables.differing.map(String))}`;
  lines.push(
    tables.holds
      ? `the tables of ${tables.vns} VNs that were signed are what the log makes`
      : `the tables that were signed are not what the log makes of ${tables.vns} VNs${differing}`,
  );
  if (table) lines.push(...tableLines(table));
  return lines.map(visible).join('\n');
}

function tableLines({ vnid, digest, claimed, wrong, holds }: Table): readonly string[] {
  const feed = feedKey({ kind: 'vn', vnid });
  if (digest === null) return [`by the log there is no VN ${vnid} then`];
  if (holds) return [`the table of ${feed} is what the log says (digest ${digest})`];
  if (claimed !== undefined) return [`the table of ${feed} has digest ${digest} by the log, and not ${claimed}`];
  const rest = wrong.length > NAMED ? [`  and ${wrong.length - NAMED} more`] : [];
  return [
    `the table of ${feed} is not what the log says:`,
    ...wrong.slice(0, NAMED).map(({ key, what }) => `  ${key} is ${what}`),
    ...rest,
  ];
}

const named = (all: readonly string[]): string =>
  all.length > NAMED ? `${all.slice(0, NAMED).join(', ')} and ${all.length - NAMED} more` : all.join(', ');
