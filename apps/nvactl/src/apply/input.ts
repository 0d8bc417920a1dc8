import { readFileSync, statSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { Failure, wrongUsage } from '../exit-codes.ts';
import { MAX_INPUT_BYTES, readStdin, type Io } from '../io.ts';

/** The text of a file, «-» being standard input. Throws a Failure. */
export async function readText(file: string, io: Io): Promise<string> {
  try {
    if (file === '-') return await readStdin(io);
    if (statSync(file).size > MAX_INPUT_BYTES) throw new RangeError(`it is longer than ${MAX_INPUT_BYTES} bytes`);
    return readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw wrongUsage(`cannot read ${file}: ${(cause as Error).message}`, cause);
  }
}

/** The documents of a YAML file, or the lines of an NDJSON file; empty ones are left out. Throws a Failure. */
export function readDocuments(text: string, file: string): readonly unknown[] {
  const asLines = linesOfJson(text);
  if (asLines) return asLines;
  const documents = parseAllDocuments(text);
  return (Array.isArray(documents) ? documents : []).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw wrongUsage(`${file} is not YAML: ${error.message}`, error);
    try {
      const value: unknown = document.toJS();
      return value === null || value === undefined ? [] : [value];
    } catch (cause) {
      // Aliases that stand for more than they may.
      throw wrongUsage(`${file}: ${(cause as Error).message}`, cause);
    }
  });
}

/** null if any line is not an object of JSON by itself. */
function linesOfJson(text: string): readonly unknown[] | null {
  const values: unknown[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    if (!line.trimStart().startsWith('{')) return null;
    try {
      values.push(JSON.parse(line));
    } catch {
      return null;
    }
  }
  return values;
}
