import { csvHeader, csvRow, type CsvField } from '@nva/codec';
import { Document, visit, type Scalar } from 'yaml';
import { escapedJson, escapedYaml, isSafe, visible } from './visible.ts';

export const FORMATS = ['json', 'yaml', 'wide', 'name', 'ndjson', 'csv'] as const;
export type Format = (typeof FORMATS)[number] | 'table';

export const json = (value: unknown): string => `${escapedJson(JSON.stringify(value, null, 2))}\n`;
/** A value on a line of its own. */
export const jsonLine = (value: unknown): string => `${escapedJson(JSON.stringify(value))}\n`;

const LINE_END = '\r\n';
const csvSafe = (line: string): string => `${visible(line.slice(0, -LINE_END.length))}${LINE_END}`;

/** Lines of CSV (RFC 4180) with everything unsafe written out, as tables have it. */
export const csvRows = <T>(fields: readonly CsvField<T>[], items: readonly T[]): string =>
  items.map((item) => csvSafe(csvRow(fields, item))).join('');
export const csvNames = <T>(fields: readonly CsvField<T>[]): string => csvHeader(fields);

/**
 * YAML in which every text that has something unsafe stands in double quotes, escaped, and so does what a reader of YAML 1.1 would take
 * for something else than text: a MAC of digits alone is a number to base 60 there.
 */
export function yaml(value: unknown): string {
  const document = new Document(value, { aliasDuplicateObjects: false, compat: 'yaml-1.1' });
  visit(document, {
    Scalar: (_, node: Scalar) => {
      if (typeof node.value === 'string' && !isSafe(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return escapedYaml(document.toString({ lineWidth: 0 }));
}
