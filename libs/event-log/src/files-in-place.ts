import { statSync, type BigIntStats } from 'node:fs';

/** A path does not lead any more to the file that this process has open. */
export class FileDisplaced extends Error {
  override readonly name = 'FileDisplaced';
}

const sameFile = (a: BigIntStats, b: BigIntStats): boolean => a.ino === b.ino && a.dev === b.dev;

/**
 * Notices that files which are open were removed, renamed away or replaced, they or a folder above them: what is written then goes to
 * a file that nobody finds again. By names and inodes, because an open file does not know its name; about 2 µs a file.
 */
export class FilesInPlace {
  readonly #files: readonly { readonly path: string; readonly opened: BigIntStats }[];

  /** All of them are open, and stand where they were opened. */
  constructor(paths: readonly string[]) {
    this.#files = paths.map((path) => ({ path, opened: statSync(path, { bigint: true }) }));
  }

  /** Throws FileDisplaced. */
  assert(): void {
    for (const { path, opened } of this.#files) {
      const found = statSync(path, { bigint: true, throwIfNoEntry: false });
      if (!found || !sameFile(found, opened))
        throw new FileDisplaced(`${path} ${found ? 'was replaced by another file' : 'was removed or renamed'} while it was open`);
    }
  }
}
