import type { Figure } from './figure.ts';

const digits = (value: number): string =>
  value >= 1_000 ? Math.round(value).toLocaleString('en') : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** The figures as a table for people. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, target, limit, ratio, less }) => [
    name,
    digits(value),
    unit,
    target === undefined ? '' : `${less ? '≤' : '≥'} ${digits(target)}`,
    target === undefined ? '' : (less ? value <= target : value >= target) ? 'yes' : 'no',
    limit === undefined ? '' : digits(limit),
    ratio === undefined ? '' : ratio.toFixed(2),
  ]);
  const head = ['figure', 'value', 'unit', 'target', 'met', 'limit', 'ratio'];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 || i === 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return `${[line(head), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n')}\n`;
}
