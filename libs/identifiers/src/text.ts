import { Refusal, type RefusalCode } from './refusal.ts';

/** A decoder puts U+FFFD where it could not decode something; the original is lost. */
const LOST = '\ufffd';

/** In the order of the checks. Unicode 16, chapters 23.1 (controls), 23.2 (format, bidirectional), 23.3 (invisible). */
const KINDS: readonly (readonly [code: RefusalCode, form: RegExp, what: string])[] = [
  // C0, DEL and C1, including U+0085 (NEXT LINE), and the two separators that also begin a new line.
  ['text-control', /[\p{Cc}\u2028\u2029]/u, 'control characters and line separators'],
  ['text-bidi', /\p{Bidi_Control}/u, 'controls of the writing direction'],
  // Variation selectors 1 to 16 only choose the glyph of a visible character.
  ['text-invisible', /[[\p{Cf}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]--[\u{FE00}-\u{FE0F}]]/v, 'invisible characters'],
];

/** Most text is printable ASCII, which needs no further check. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Refuses free text that would not come back as it was given, or that does not look like what it is: lone surrogates, which no
 * encoding can carry; replacement characters, which show that the text was decoded wrongly before; and characters that break a
 * line, change the writing direction or are invisible. Throws Refusal `text-surrogate`, `text-encoding`, `text-control`,
 * `text-bidi`, `text-invisible`.
 */
export function checkText(received: string, field: string): void {
  if (PLAIN.test(received)) return;
  if (!received.isWellFormed())
    throw new Refusal('text-surrogate', `${field} has a surrogate that is not one of a pair`, { field, received });
  if (received.includes(LOST))
    throw new Refusal(
      'text-encoding',
      `${field} has a replacement character (U+FFFD): it was decoded with a wrong encoding before it came here`,
      { field, received },
    );
  for (const [code, form, what] of KINDS) {
    const found = form.exec(received)?.[0];
    if (found !== undefined) throw new Refusal(code, `${field} may not have ${what}; there is ${codePoint(found)}`, { field, received });
  }
}

const codePoint = (text: string): string => `U+${text.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
