/**
 * What a terminal would obey or a reader would not see: C0, DEL and C1, line and paragraph separators, marks that turn the
 * direction of text, and lone surrogates. A server's text may hold any of them.
 */
const UNSAFE = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\p{Surrogate}]/gu;
/** The same without tab and line feed, for text of several lines. */
const UNSAFE_IN_LINES = /(?![\t\n])[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\p{Surrogate}]/gu;

const hex = (character: string, digits: number): string => character.codePointAt(0)!.toString(16).padStart(digits, '0');

/** One line of text with everything unsafe written out, `\x1b` or `\u202e`. */
export function visible(text: string): string {
  return text.replaceAll(UNSAFE, (character) => (character <= '\u00ff' ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`));
}

/** JSON or YAML with everything unsafe as `\uXXXX`; both mean the same character by it within double quotes. */
export function escapedLines(text: string): string {
  return text.replaceAll(UNSAFE_IN_LINES, (character) => `\\u${hex(character, 4)}`);
}

export const isSafe = (text: string): boolean => text.search(UNSAFE) === -1;
