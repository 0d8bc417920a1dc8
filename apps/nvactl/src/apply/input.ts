import { readFileSync, statSync } from 'node:fs';
import { LineCounter, parseAllDocuments, type Document } from 'yaml';
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

/** A document of a file, and on which line of it something stands. */
export interface ReadDocument {
  readonly value: unknown;
  /** The line of what a path leads to, or of what is nearest to it. */
  readonly lineOf: (path: readonly (string | number)[]) => number;
}

/** The documents of a YAML file, or the lines of an NDJSON file; empty ones are left out. Throws a Failure. */
export function readDocuments(text: string, file: string): readonly ReadDocument[] {
  const asLines = linesOfJson(text);
  if (asLines) return asLines;
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter });
  return (Array.isArray(documents) ? documents : []).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw wrongUsage(`${file} is not YAML: ${error.message.split('\n')[0]!.replace(/:$/, '')}`, error);
    try {
      const value: unknown = document.toJS();
      return value === null || value === undefined
        ? []
        : [{ value, lineOf: (path: readonly (string | number)[]) => lineCounter.linePos(offsetOf(document, path)).line }];
    } catch (cause) {
      // Aliases that stand for more than they may.
      throw wrongUsage(`${file}: ${(cause as Error).message}`, cause);
    }
  });
}

/** Where a part of a document begins; where there is none, the nearest that holds it. */
function offsetOf(document: Document.Parsed, path: readonly (string | number)[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true) as { readonly range?: readonly number[] } | undefined;
    if (node?.range) return node.range[0]!;
  }
  return document.range[0];
}

/** null if any line is not an object of JSON by itself. */
function linesOfJson(text: string): readonly ReadDocument[] | null {
  const documents: ReadDocument[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    if (!line.trimStart().startsWith('{')) return null;
    try {
      documents.push({ value: JSON.parse(line), lineOf: () => i + 1 });
    } catch {
      return null;
    }
  }
  return documents;
}
