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
  return new GrowingTable(columns, paint).rows(items);
}

/** A table that is printed part by part: a column is as wide as its widest cell so far. */
export class GrowingTable<T> {
  readonly #columns: readonly Column<T>[];
  readonly #paint: Paint;
  readonly #widths: number[] = [];
  #isBegun = false;

  constructor(columns: readonly Column<T>[], paint: Paint) {
    this.#columns = columns;
    this.#paint = paint;
  }

  /** The next rows, before the first ones the titles. */
  rows(items: readonly T[]): string {
    const titles = this.#isBegun ? [] : [this.#columns.map(({ title }) => ({ text: title, paint: this.#paint.heading }))];
    this.#isBegun = true;
    const rows = items.map((item) => this.#columns.map((column) => column.cell(item, this.#paint)));
    return lines([...titles, ...rows], this.#widths);
  }
}

/** Aligned columns without titles. `widths`: of what stands above, and grows with these. */
export function lines(rows: readonly (readonly Cell[])[], widths: number[] = []): string {
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
