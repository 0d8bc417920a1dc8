/** How much of a received value is shown, in UTF-16 code units. */
export const MAX_SHOWN_CHARACTERS = 256;
/** How many levels of nesting are shown; anything deeper is an ellipsis. */
const MAX_SHOWN_DEPTH = 64;
const CUT = '\u2026';

/** Cuts a text that is shown for recognition, not echoed. The result is well-formed UTF-16. */
export function cut(text: string, maxCharacters = MAX_SHOWN_CHARACTERS): string {
  return text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters).toWellFormed()}${CUT}`;
}

/**
 * A received value as it may stand in a problem, a message or a log line: the value itself if it is short, otherwise the
 * beginning of its JSON. Nothing else is done with the value before it is cut; this takes no recursion and bounded time. Never
 * throws.
 */
export function shown(received: unknown): unknown {
  switch (typeof received) {
    case 'string':
      return cut(received);
    case 'object':
      if (received === null) return null;
      break;
    case 'bigint':
    case 'symbol':
    case 'function':
      return cut(String(received));
    default:
      return received;
  }
  try {
    const text = beginningOf(received);
    return text.length <= MAX_SHOWN_CHARACTERS ? received : cut(text);
  } catch {
    return CUT;
  }
}

interface Open {
  readonly entries: Iterator<readonly [string | null, unknown]>;
  readonly end: string;
  first: boolean;
}

/** The JSON of a value, up to the point where it is longer than what is shown. */
function beginningOf(value: object): string {
  const open: Open[] = [opened(value)];
  let text = Array.isArray(value) ? '[' : '{';
  while (open.length > 0 && text.length <= MAX_SHOWN_CHARACTERS) {
    const level = open.at(-1)!;
    const { done, value: entry } = level.entries.next();
    if (done) {
      text += level.end;
      open.pop();
      continue;
    }
    const [name, inner] = entry;
    text += `${level.first ? '' : ','}${name === null ? '' : `${scalar(name)}:`}`;
    level.first = false;
    if (typeof inner !== 'object' || inner === null) text += scalar(inner);
    else if (open.length === MAX_SHOWN_DEPTH) text += CUT.repeat(MAX_SHOWN_CHARACTERS);
    else {
      text += Array.isArray(inner) ? '[' : '{';
      open.push(opened(inner));
    }
  }
  return text;
}

const opened = (value: object): Open => ({ entries: entriesOf(value), end: Array.isArray(value) ? ']' : '}', first: true });

function* entriesOf(value: object): Generator<readonly [string | null, unknown]> {
  if (Array.isArray(value)) for (const item of value as readonly unknown[]) yield [null, item];
  else for (const name in value) yield [name, (value as Readonly<Record<string, unknown>>)[name]];
}

const scalar = (value: unknown): string =>
  JSON.stringify(typeof value === 'string' ? cut(value) : typeof value === 'bigint' ? String(value) : value) ?? 'null';
