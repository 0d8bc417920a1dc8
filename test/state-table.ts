import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './project/files.ts';

/** The rows of a table in a comment: each as it stands there, for the name of its test, and by the heads of its columns. */
export type Table<Column extends string> = readonly (readonly [text: string, row: Readonly<Record<Column, string>>])[];

/**
 * The table with these columns in a comment of a source file, in Markdown. Tests read off it what is to be, so that no row can say what
 * the code does not do. Throws if there is no such table.
 */
export function tableIn<Column extends string>(file: string, columns: readonly Column[]): Table<Column> {
  const lines = readFileSync(join(root, file), 'utf8').split('\n').map(cellsOf);
  const head = lines.findIndex((cells) => cells?.join('|') === columns.join('|'));
  // Behind its head stands a line of dashes.
  const from = head + 2;
  const end = lines.findIndex((cells, i) => i >= from && cells === null);
  if (head === -1 || end <= from) throw new Error(`no table | ${columns.join(' | ')} | in ${file}`);
  return lines.slice(from, end).map((cells) => {
    if (cells!.length !== columns.length) throw new Error(`a row of ${file} has ${cells!.length} cells: ${cells!.join(' | ')}`);
    const row = Object.fromEntries(columns.map((column, i) => [column, cells![i]!])) as Record<Column, string>;
    return [cells!.join(' | '), row] as const;
  });
}

/** What the words in these columns mean. Throws if the table has some that mean nothing here, or lacks some that do. */
export function meanings<Meaning>(
  table: Table<string>,
  columns: readonly string[],
  meaning: Readonly<Record<string, Meaning>>,
): (words: string) => Meaning {
  const said = new Set(table.flatMap(([, row]) => columns.map((column) => row[column]!)));
  const unknown = [...said].filter((words) => !Object.hasOwn(meaning, words));
  const unsaid = Object.keys(meaning).filter((words) => !said.has(words));
  if (unknown.length > 0) throw new Error(`the test does not know what the table says: «${unknown.join('», «')}»`);
  if (unsaid.length > 0) throw new Error(`the table does not say what the test knows: «${unsaid.join('», «')}»`);
  return (words) => meaning[words]!;
}

/** The cells of a line of a table in a comment; null of any other line. */
function cellsOf(line: string): string[] | null {
  const match = /^\s*\* \|(.+)\|\s*$/.exec(line);
  return match && match[1]!.split('|').map((cell) => cell.trim());
}
