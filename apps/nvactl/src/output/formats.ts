import { Document, visit, type Scalar } from 'yaml';
import { escapedLines, isSafe } from './visible.ts';

export const FORMATS = ['json', 'yaml', 'wide', 'name'] as const;
export type Format = (typeof FORMATS)[number] | 'table';

export const json = (value: unknown): string => `${escapedLines(JSON.stringify(value, null, 2))}\n`;
/** A value on a line of its own. */
export const jsonLine = (value: unknown): string => `${escapedLines(JSON.stringify(value))}\n`;

/** YAML in which every text that has something unsafe stands in double quotes, escaped. */
export function yaml(value: unknown): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_, node: Scalar) => {
      if (typeof node.value === 'string' && !isSafe(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return escapedLines(document.toString({ lineWidth: 0 }));
}
