import type { Position } from '@nva/ports';
import { Malformed, SignatureRefused } from './errors.ts';
import { fromBase64, openNote, parseNote, type Verified, type Verifier } from './note.ts';
import { HASH_BYTES } from './tree.ts';

/**
 * C2SP tlog-checkpoint: the text of a note that says what the log's tree is. Each line ends with a newline; the last three are ours.
 *
 *     <origin>                            names the log; the key that signs for the log has this name too
 *     <size in decimal>
 *     <root, base64>
 *     nva log <uuid>                      the log: positions compare only within one
 *     nva position <decimal>              of the last event in the tree, 0 in an empty one
 *     nva tables <root, base64>           of the VNs' digests after that event (`tables.ts`)
 *
 * Lines that are not known are kept and not understood, so that a later version may say more.
 */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  readonly logId: string;
  readonly position: Position;
  readonly tables: Buffer;
  /** Lines after ours. */
  readonly others?: readonly string[];
}

export interface OpenedCheckpoint extends Checkpoint {
  readonly verified: readonly Verified[];
}

/** Keys that sign for a log or cosign. A former key is good for checkpoints up to the size at which it was replaced, and no further. */
export interface KnownKeys {
  readonly current: readonly Verifier[];
  readonly former: readonly FormerKey[];
}

export interface FormerKey {
  readonly verifier: Verifier;
  readonly untilSize: number;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const OURS = ['nva log ', 'nva position ', 'nva tables '] as const;

/** Throws Malformed where a field cannot be said. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root, logId, position, tables, others = [] } = checkpoint;
  const ours = [`nva log ${logId}`, `nva position ${position}`, `nva tables ${tables.toString('base64')}`];
  const text = [origin, String(size), root.toString('base64'), ...ours, ...others].map((line) => `${line}\n`).join('');
  parseCheckpoint(text);
  return text;
}

/** Reads a checkpoint's text. Whether somebody signed it is another question: see `openCheckpoint`. Throws Malformed. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.length < 3 || lines.includes(''))
    throw new Malformed('a checkpoint is three lines or more, none of them empty');
  const [origin, size, root, ...extensions] = lines as [string, string, string, ...string[]];
  const [log, position, tables] = OURS.map((prefix) => {
    const found = extensions.filter((line) => line.startsWith(prefix));
    if (found.length !== 1) throw new Malformed(`the checkpoint has ${found.length} lines «${prefix.trim()}» instead of one`);
    return found[0]!.slice(prefix.length);
  }) as [string, string, string];
  if (!OURS.every((prefix, i) => extensions[i]!.startsWith(prefix))) throw new Malformed('the lines of the NVA come first, in their order');
  if (!UUID.test(log)) throw new Malformed(`the checkpoint's log ${JSON.stringify(log)} is not a UUID`);
  const checkpoint: Checkpoint = {
    origin,
    size: decimal(size, 'size'),
    root: hashOf(root, 'root'),
    logId: log,
    position: decimal(position, 'position'),
    tables: hashOf(tables, 'tables root'),
    others: extensions.slice(OURS.length),
  };
  if ((checkpoint.size === 0) !== (checkpoint.position === 0) || checkpoint.position < checkpoint.size)
    throw new Malformed(`a tree of ${size} events does not end at position ${position}`);
  return checkpoint;
}

function decimal(text: string, what: string): number {
  const value = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new Malformed(`the checkpoint's ${what} ${JSON.stringify(text)} is not a whole number below 2^53`);
  return value;
}

function hashOf(text: string, what: string): Buffer {
  const bytes = fromBase64(text);
  if (bytes?.length !== HASH_BYTES) throw new Malformed(`the checkpoint's ${what} is not ${HASH_BYTES} bytes in base64`);
  return bytes;
}

/**
 * Opens a signed checkpoint of the log `origin`. A key of the log's name must have signed it; cosigners alone do not make a checkpoint.
 * Throws Malformed and SignatureRefused.
 */
export function openCheckpoint(note: Uint8Array | string, origin: string, keys: KnownKeys): OpenedCheckpoint {
  // Which former keys are good depends on the size, so the text is read before its signatures are. Nothing of it is used if they fail.
  const { size } = parseCheckpoint(parseNote(note).text);
  const good = [...keys.current, ...keys.former.filter(({ untilSize }) => size <= untilSize).map(({ verifier }) => verifier)];
  const { text, verified } = openNote(note, good);
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== origin)
    throw new SignatureRefused(`the checkpoint is of ${JSON.stringify(checkpoint.origin)}, and of ${JSON.stringify(origin)} is expected`);
  if (!verified.some(({ name, atSeconds }) => name === origin && atSeconds === null))
    throw new SignatureRefused(`the log ${origin} has not signed the checkpoint of size ${size}; only others have`);
  return { ...checkpoint, verified };
}
