import { Document, visit, type Scalar } from 'yaml';
import { escapedJson, escapedYaml, isSafe } from './visible.ts';

export const FORMATS = ['json', 'yaml', 'wide', 'name'] as const;
export type Format = (typeof FORMATS)[number] | 'table';

export const json = (value: unknown): string => `${escapedJson(JSON.stringify(value, null, 2))}\n`;
/** A value on a line of its own. */
export const jsonLine = (value: unknown): string => `${escapedJson(JSON.stringify(value))}\n`;

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
