import { differenceLine, encapsulationName, type DifferenceLine } from './differences.ts';
import type { FigureIndex } from './figure.ts';
import type { LookedUp } from './lookups.ts';
import type { Paint } from './paint.ts';
import type { NveView, StepOutcome } from './play.ts';

const WIDTH = 100;
const INDENT = '   ';
/** Widths of «NVE6  VN3  ». */
const GUTTER = [6, 5] as const;

/** A step as text for people. Quiet: only its title and what was checked. */
export function stepText(outcome: StepOutcome, names: FigureIndex, paint: Paint, quiet: boolean): string {
  const { notes, tells, nves, lookups } = outcome;
  if (quiet) return `${heading(outcome, paint)}\n${checkLine(outcome, paint)}\n`;
  const sections = [
    [heading(outcome, paint), `${INDENT}${paint.dim(tells)}`],
    notes.map((note) => `${INDENT}${paint.strong('!')} ${note}`),
    differenceLines(nves, names, paint),
    lookups.map((lookedUp) => lookupLine(lookedUp, paint)),
    [checkLine(outcome, paint)],
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function heading({ number, title, rows }: StepOutcome, paint: Paint): string {
  const left = `── ${String(number).padStart(2)}  ${title} `;
  const right = ` ${rows} ──`;
  return paint.heading(left) + paint.dim('─'.repeat(Math.max(2, WIDTH - left.length - right.length)) + right);
}

/** Each NVE's name is shown only on its first line, and so is each VN's. */
function differenceLines(nves: readonly NveView[], names: FigureIndex, paint: Paint): string[] {
  const rows = nves.flatMap(({ nveId, differences }) =>
    differences.map((difference) => ({ nveId, vn: names.vnNamed(difference.vnid), ...differenceLine(difference, nveId) })),
  );
  const widths = columnWidths(rows);
  const lines = rows.map(({ nveId, vn, sign, cells }, i) => {
    const former = rows[i - 1];
    const sameNve = former?.nveId === nveId;
    const gutter = (sameNve ? '' : nveId).padEnd(GUTTER[0]) + (sameNve && former.vn === vn ? '' : vn).padEnd(GUTTER[1]);
    return `${INDENT}${paint.strong(gutter)}${paint.sign(sign, `${sign} ${aligned(cells, widths)}`)}`;
  });
  const down = names.figure.nves.filter(({ nveId }) => !nves.some((nve) => nve.nveId === nveId)).map(({ nveId }) => nveId);
  const calm = nves.filter(({ differences }) => differences.length === 0).map(({ nveId }) => nveId);
  if (calm.length > 0) lines.push(`${INDENT}${paint.dim(`${calm.join(', ')}: nothing new`)}`);
  if (down.length > 0) lines.push(`${INDENT}${paint.dim(`${down.join(', ')}: down`)}`);
  return lines;
}

/** A column that is empty in all lines takes no room. */
function aligned(cells: readonly string[], widths: readonly number[]): string {
  const columns = cells.flatMap((cell, column) => (widths[column] === 0 ? [] : [cell.padEnd(widths[column]!)]));
  return columns.join('  ').trimEnd();
}

function columnWidths(rows: readonly DifferenceLine[]): number[] {
  const widths: number[] = [];
  for (const { cells } of rows) for (const [column, cell] of cells.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return widths;
}

function lookupLine({ lookup: { at, vn, address }, found }: LookedUp, paint: Paint): string {
  return `${INDENT}${paint.dim('?')} ${at} to ${address} in ${vn}: ${answer()}`;

  function answer(): string {
    switch (found.is) {
      case 'nobody':
        return 'nobody has it';
      case 'here':
        return `${found.tsId}, here, no tunnel`;
      case 'remote': {
        const { tsId, bid, mac, nveId, encapsulation, vnid, endpoint, reachable } = found;
        const who = `${tsId}${bid === null ? '' : ` by BID ${bid}`} (${mac})`;
        return `${who}, ${encapsulationName(encapsulation)} ${vnid} to ${endpoint} (${nveId}${reachable ? '' : ', unreachable'})`;
      }
    }
  }
}

function checkLine({ checked: { nves, digests, entries }, lookups, position, elapsedMs }: StepOutcome, paint: Paint): string {
  const facts = [
    `position ${position}`,
    counted(nves, 'NVE'),
    `${counted(digests, 'digest')} equal to the NVA's`,
    `${counted(entries, 'entry', 'entries')} compared`,
  ];
  if (lookups.length > 0) facts.push(counted(lookups.length, 'look-up'));
  return `${INDENT}${paint.good('✓')} ${paint.dim(`${facts.join(' · ')} · ${Math.round(elapsedMs)} ms`)}`;
}

const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** A summary of the whole play. */
export function summaryText(outcomes: readonly StepOutcome[], names: FigureIndex, feeds: string, elapsedMs: number, paint: Paint): string {
  const sum = (count: (outcome: StepOutcome) => number): string =>
    outcomes.reduce((total, outcome) => total + count(outcome), 0).toLocaleString('en');
  const { figure } = names;
  const differences = outcomes.flatMap(({ nves }) => nves.flatMap((nve) => nve.differences));
  const signs = differences.map((difference) => differenceLine(difference, '').sign);
  const count = (sign: DifferenceLine['sign']): string => `${sign}${signs.filter((one) => one === sign).length}`;
  const lines = [
    [
      'played',
      `${outcomes.length} steps: ${figure.tenantSystems.length} VMs, ${figure.nves.length} NVEs, ${figure.vns.length} VNs, fed ${feeds}`,
    ],
    ['log', `${outcomes.at(-1)?.position ?? 0} is the newest position`],
    ['records', `${differences.length.toLocaleString('en')} changes of entries (${count('+')} ${count('~')} ${count('-')}) over all NVEs`],
    ['digests', `${sum(({ checked }) => checked.digests)} reported, all equal to the NVA's`],
    ['entries', `${sum(({ checked }) => checked.entries)} compared one by one, all equal`],
    ['look-ups', `${sum(({ lookups }) => lookups.length)}, all as expected`],
    ['elapsed', `${(elapsedMs / 1_000).toFixed(1)} s`],
  ];
  const title = paint.good(`✓ ${figure.title}`);
  return [`${title}\n`, ...lines.map(([name, text]) => `${INDENT}${paint.dim(name!.padEnd(9))} ${text}`), ''].join('\n');
}
