import {
  formatKnownKeys,
  generateKeyFile,
  KeyRefused,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseVerifier,
  sameHash,
  tablesRoot,
  tilePath,
  type Checkpoint,
  type KnownKeys,
  type VnDigest,
} from '@nva/transparency';
import { sleep } from '@nva/ports';
import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { interrupted } from '../api/client.ts';
import { makeFolder } from '../archive/source.ts';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { Progress } from '../output/progress.ts';
import { CHECKPOINT, KEYS, TABLES, tableLine } from '../proof/given.ts';
import { leafTiles, wholeOf } from '../proof/leaf-hashes.ts';
import { Session, wholeNumber } from '../session.ts';

const TLOG = '/v1/tlog';
const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;
/** How long a checkpoint that has an event is waited for. */
const WAIT_MS = 60_000;
const POLL_MS = 200;

interface GetOptions {
  readonly tiles?: true;
  readonly covers?: number;
}

interface TablesAnswer {
  readonly checkpoint: string;
  readonly items: readonly VnDigest[];
}

interface KeysAnswer {
  readonly origin: string;
  readonly current: readonly string[];
  readonly former: readonly { readonly key: string; readonly untilSize: number }[];
  readonly witnesses: readonly { readonly name: string; readonly key: string }[];
}

export function addProof(program: Command, io: Io): void {
  const proof = program
    .command('proof')
    .summary('what an offline proof needs')
    .description('Save what an offline proof needs, and make keys that sign.');
  proof
    .command('get')
    .summary('save the last signed checkpoint, the keys and the digests under it')
    .description(
      'Save what verify needs beside an export: the last signed checkpoint, the public keys, the digests of all VNs under its tables root and, with --tiles, the hashes of all events. Do it again and again, and keep the checkpoints elsewhere: a log that was changed later does not continue them.',
    )
    .argument('<folder>', 'the folder to make; it may not be there yet')
    .option('--tiles', 'the hashes of the events too: with them a change is named to the event')
    .option('--covers <position>', 'wait, for a minute at most, until the event at this position is signed', (text) =>
      wholeNumber(text, 1, Number.MAX_SAFE_INTEGER),
    )
    .action((folder: string, options: GetOptions, command: Command) => get(new Session(command, io), folder, options));
  proof
    .command('key')
    .summary('make a key that signs checkpoints')
    .description(
      'Make a key for PROOF_KEY_FILE, in a file that only its owner may read, and print its public key. The name is the name of the log: all admins of a log have the same, each with a key of its own.',
    )
    .argument('<file>', 'the file to make; a key is never overwritten')
    .requiredOption('--name <name>', 'the name of the log, such as nva.example/production')
    .action((file: string, { name }: { readonly name: string }, command: Command) => key(new Session(command, io), file, name));
}

async function get(session: Session, folder: string, { tiles, covers = 0 }: GetOptions): Promise<void> {
  const path = resolve(folder);
  if (existsSync(path)) throw wrongUsage(`${folder} is there already`);
  const { client } = session;
  const { note, items, checkpoint } = await signed(session, covers);
  const keys = await client.get<KeysAnswer>(`${TLOG}/keys`);
  const { size, position, logId } = checkpoint;
  const known = understood(session, () => knownIn(keys));
  understood(session, () => openCheckpoint(note, keys.origin, known));
  const unfinished = `${path}.part`;
  try {
    await rm(unfinished, { recursive: true, force: true });
    await makeFolder(unfinished);
    const save = (name: string, content: string | Buffer): Promise<void> =>
      writeFile(join(unfinished, name), content, { mode: PRIVATE_FILE });
    await save(CHECKPOINT, note);
    await save(
      KEYS,
      `# Keys of ${keys.origin}, as the NVA says: compare them with those that you have from elsewhere.\n${formatKnownKeys(known)}`,
    );
    await save(TABLES, items.map((item) => `${tableLine(item)}\n`).join(''));
    if (tiles) await saveTiles(session, unfinished, size);
    await rename(unfinished, path);
  } catch (cause) {
    await rm(unfinished, { recursive: true, force: true });
    if (cause instanceof Failure) throw cause;
    throw wrongUsage(`${folder} cannot be written: ${(cause as Error).message}`, cause);
  }
  await session.show(
    { folder, log: logId, size, position: String(position), vns: items.length },
    () => [folder],
    () =>
      `the checkpoint of ${size} events up to position ${position} of log ${logId} is in ${folder}, with keys and the digests of ${items.length} VNs\n`,
  );
}

/** The last checkpoint, once it has the event at a position. */
async function signed(session: Session, covers: number) {
  const { clock, signal } = session.io;
  const endMs = clock.monotonicMs() + WAIT_MS;
  for (;;) {
    const { checkpoint: note, items } = await session.client.get<TablesAnswer>(`${TLOG}/tables`);
    const checkpoint = understood(session, () => checkpointOver(note, items));
    if (checkpoint.position >= covers) return { note, items, checkpoint };
    if (clock.monotonicMs() >= endMs)
      throw new Failure(EXIT.unreachable, `the log is signed up to position ${checkpoint.position}, and not up to ${covers} yet`);
    await sleep(clock, POLL_MS, { signal }).catch(() => {
      throw interrupted();
    });
  }
}

/** Throws where the tables are not those that the checkpoint names. */
function checkpointOver(note: string, items: readonly VnDigest[]): Checkpoint {
  const checkpoint = parseCheckpoint(parseNote(note).text);
  if (!sameHash(tablesRoot(items), checkpoint.tables)) throw new Error('the tables are not those of the checkpoint');
  return checkpoint;
}

async function saveTiles(session: Session, folder: string, size: number): Promise<void> {
  const { client, io } = session;
  using progress = new Progress(io, 'tiles', size);
  for (const tile of leafTiles(size)) {
    if (io.signal.aborted) throw interrupted();
    const path = tilePath(tile);
    await mkdir(join(folder, dirname(path)), { recursive: true, mode: PRIVATE_FOLDER });
    await writeFile(join(folder, path), await wholeOf(client, `${TLOG}/${path}`), { mode: PRIVATE_FILE });
    progress.update(tile.index * 256 + tile.width);
  }
}

const knownIn = ({ current, former, witnesses }: KeysAnswer): KnownKeys => ({
  current: [...new Set([...current, ...witnesses.map((one) => one.key)])].map(parseVerifier),
  former: former.map(({ key: text, untilSize }) => ({ verifier: parseVerifier(text), untilSize })),
});

/** What an NVA would not answer is the server's fault. */
function understood<T>({ client }: Session, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new Failure(EXIT.unreachable, `${client.server} does not answer as an NVA: ${(cause as Error).message}`, { cause });
  }
}

async function key(session: Session, file: string, name: string): Promise<void> {
  const text = made(file, name);
  await session.show(
    { file, key: text },
    () => [text],
    () => `the key is in ${file}; its public key is\n${text}\n`,
  );
}

function made(file: string, name: string): string {
  try {
    return String(generateKeyFile(resolve(file), name).verifier);
  } catch (cause) {
    if (cause instanceof KeyRefused) throw wrongUsage(cause.message, cause);
    throw wrongUsage(`${file} cannot be written: ${(cause as Error).message}`, cause);
  }
}
