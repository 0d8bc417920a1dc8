/**
 * What a terminal would obey or a reader would not see: C0, DEL and C1, line and paragraph separators, marks that turn the direction
 * of text, characters that have no shape (soft hyphens, fillers, tags), and lone surrogates. A server's text may hold any of them. The
 * mark that makes an emoji of the character before it stays.
 */
const UNSAFE = /(?!\ufe0f)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}\p{Default_Ignorable_Code_Point}]/gu;
/** The same without tab and line feed, for text of several lines. */
const UNSAFE_IN_LINES = /(?!\t|\n|\ufe0f)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}\p{Default_Ignorable_Code_Point}]/gu;
const MAX_BMP = 0xff_ff;

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0');
const code = (character: string): number => character.codePointAt(0)!;

/** One line of text with everything unsafe written out, `\x1b`, `\u202e` or `\u{e0041}`. */
export const visible = (text: string): string =>
  text.replaceAll(UNSAFE, (character) => {
    const point = code(character);
    return point <= 0xff ? `\\x${hex(point, 2)}` : point <= MAX_BMP ? `\\u${hex(point, 4)}` : `\\u{${hex(point, 1)}}`;
  });

const unit = (point: number): string => `\\u${hex(point, 4)}`;

/** JSON with everything unsafe as `\uXXXX`, which means the same character. */
export const escapedJson = (text: string): string =>
  text.replaceAll(UNSAFE_IN_LINES, (character) =>
    character
      .split('')
      .map((half) => unit(half.charCodeAt(0)))
      .join(''),
  );

/** YAML with everything unsafe as `\uXXXX` or `\UXXXXXXXX`, which mean the same character within double quotes. */
export const escapedYaml = (text: string): string =>
  text.replaceAll(UNSAFE_IN_LINES, (character) => (code(character) <= MAX_BMP ? unit(code(character)) : `\\U${hex(code(character), 8)}`));

export const isSafe = (text: string): boolean => text.search(UNSAFE) === -1;
