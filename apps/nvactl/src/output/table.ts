import stringWidth from 'string-width';
import type { Paint } from './paint.ts';
import { visible } from './visible.ts';

/** A cell: its text, and how it is painted. */
export type Cell = string | { readonly text: string; readonly paint: (text: string) => string };

export interface Column<T> {
  readonly title: string;
  readonly cell: (item: T, paint: Paint) => Cell;
  /** Shown with `-o wide` only. */
  readonly wide?: boolean;
}

const GAP = '  ';
const textOf = (cell: Cell): string => visible(typeof cell === 'string' ? cell : cell.text);

/** Aligned columns with a line of titles. The last column is not filled up. */
export function table<T>(items: readonly T[], columns: readonly Column<T>[], paint: Paint): string {
  const rows = items.map((item) => columns.map((column) => column.cell(item, paint)));
  return lines([columns.map(({ title }) => ({ text: title, paint: paint.heading })), ...rows]);
}

/** Aligned columns without titles. */
export function lines(rows: readonly (readonly Cell[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, stringWidth(textOf(cell)))));
  return rows
    .map((row) => {
      const last = row.findLastIndex((cell) => textOf(cell) !== '');
      return `${row
        .slice(0, last + 1)
        .map((cell, i) => filled(cell, i === last ? 0 : widths[i]!))
        .join(GAP)}\n`;
    })
    .join('');
}

function filled(cell: Cell, width: number): string {
  const text = textOf(cell);
  const painted = typeof cell === 'string' ? text : cell.paint(text);
  return painted + ' '.repeat(Math.max(0, width - stringWidth(text)));
}

/** Names and values below each other, as `describe` shows them. */
export function fields(rows: readonly (readonly [name: string, value: Cell])[], paint: Paint): string {
  return lines(rows.map(([name, value]) => [{ text: `${name}:`, paint: paint.dim }, value]));
}

/** The first `width` columns of a text without colours. */
export function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let taken = '';
  let used = 0;
  for (const character of text) {
    const w = stringWidth(character);
    if (used + w > width - 1) break;
    taken += character;
    used += w;
  }
  return width > 0 ? `${taken}…` : '';
}
