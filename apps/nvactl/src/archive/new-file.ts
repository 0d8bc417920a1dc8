import { createWriteStream, existsSync } from 'node:fs';
import { link, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { wrongUsage } from '../exit-codes.ts';

const PRIVATE_FILE = 0o600;

/** Takes a piece of a file; waits while the disk is slow. */
export type Put = (piece: string | Uint8Array) => Promise<void>;

/**
 * Makes a file that is there when it is whole: until then it has «.part» at its end, and if `fill` throws, there is none. It replaces no
 * other. Throws a Failure if it cannot be written, and what `fill` throws.
 */
export async function newFile<T>(file: string, fill: (put: Put) => Promise<T>): Promise<T> {
  const path = resolve(file);
  if (existsSync(path)) throw wrongUsage(`${file} is there already`);
  const part = `${path}.part`;
  const target = createWriteStream(part, { flags: 'wx', mode: PRIVATE_FILE });
  const done = finished(target);
  done.catch(() => undefined);
  await Promise.race([once(target, 'open'), done]).catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === 'EEXIST'
        ? 'is there: something else is writing it, or was cut off; remove it then'
        : `cannot be written: ${cause.message}`;
    throw wrongUsage(`${file}.part ${why}`, cause);
  });
  try {
    const filled = await fill(async (piece) => {
      // After a failed write nothing drains any more: `done` says so.
      if (!target.write(piece)) await Promise.race([once(target, 'drain'), done]);
    });
    target.end();
    await done;
    // A link replaces nothing, as a rename would.
    await link(part, path);
    return filled;
  } catch (cause) {
    target.destroy();
    // Of the file system; anything else is not of this file.
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw wrongUsage(`${file} cannot be written: ${(cause as Error).message}`, cause);
  } finally {
    await rm(part, { force: true });
  }
}
