import { ArchiveDamaged, CodecError, readArchive, type Archive } from '@nva/codec';
import { Refusal } from '@nva/identifiers';
import { LogRefused } from '@nva/ports';
import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { interrupted } from '../api/client.ts';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';
import type { Session } from '../session.ts';

const PRIVATE_FOLDER = 0o700;

/** Where events come from: a file that `export` made, or the NVA itself. */
export interface Source {
  /** For people. */
  readonly name: string;
  /** Reads it from the beginning; it may be asked for again. */
  open(): Promise<Archive>;
}

export const fileSource = (file: string, session: Session): Source => ({
  name: file,
  open: () => readArchive(readable(file, session)),
});

/** `to`: an instant, as the NVA reads it. */
export const serverSource = (session: Session, to: string | undefined): Source => ({
  name: session.client.server,
  open: () => readArchive(session.client.bytes('/v1/export', to === undefined ? {} : { to })),
});

async function* readable(file: string, { io }: Session): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const piece of createReadStream(file, { signal: io.signal, highWaterMark: 1024 * 1024 })) yield piece as Uint8Array;
  } catch (cause) {
    if (io.signal.aborted) throw interrupted();
    throw wrongUsage(`${file} cannot be read: ${(cause as Error).message}`, cause);
  }
}

/** Makes a folder of its owner alone, unless it is there. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: PRIVATE_FOLDER });
  } catch (cause) {
    throw wrongUsage(`${path} cannot be made: ${(cause as Error).message}`, cause);
  }
}

/** What is wrong with an archive, a log or a condition, with the code that a script sees. */
export async function explained<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ArchiveDamaged) throw new Failure(EXIT.refused, `${what} is not whole: ${cause.message}`, { cause });
    // An event of which the archive itself is right, and its bytes are none.
    if (cause instanceof CodecError)
      throw new Failure(EXIT.refused, `${what} has an event that cannot be read: ${cause.message}`, { cause });
    if (cause instanceof LogRefused) throw new Failure(EXIT.refused, cause.message, { cause });
    if (cause instanceof Refusal) throw wrongUsage(cause.message, cause);
    throw cause;
  }
}
