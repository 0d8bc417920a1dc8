import { REFUSAL_CODES, Refusal, type RefusalCode, type RefusalDetail } from '@nva/identifiers';
import { formatShards } from '@nva/kafka';
import { AUDIT_PART, formatPart, type Asker, type Part } from './asker.ts';
import { urlOf, type Passable } from './question-url.ts';

/** For one admin: longer than it waits until its history has come as far as the question. */
const LIMIT_MS = 10_000;
/** For all that are tried. */
const WHOLE_LIMIT_MS = 20_000;
/** A page of 1,000 items is far smaller. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const CODES: ReadonlySet<string> = new Set(REFUSAL_CODES);

/**
 * The answer of one of the admins, tried one after the other: as JSON. Rejects with the Refusal that it answers, and with `behind` if
 * none of them answers.
 */
export async function askAdmin(
  { urls, shards }: { readonly urls: readonly string[]; readonly shards: readonly number[] },
  question: Passable,
  part: Part,
  { authorization, correlationId }: Asker,
): Promise<string> {
  const headers = {
    [AUDIT_PART]: formatPart(part),
    'x-correlation-id': correlationId,
    ...(authorization === undefined ? {} : { authorization }),
  };
  const failures: string[] = [];
  const whole = AbortSignal.timeout(WHOLE_LIMIT_MS);
  for (const url of urls) {
    if (whole.aborted) break;
    try {
      const response = await fetch(url + urlOf(question), {
        headers,
        redirect: 'error',
        signal: AbortSignal.any([whole, AbortSignal.timeout(LIMIT_MS)]),
      });
      const text = await boundedText(response);
      if (response.ok) return text;
      const refusal = refusalIn(text);
      if (refusal && !OF_THE_ADMIN.has(refusal.code)) throw refusal;
      failures.push(`${url} answers ${response.status}${refusal ? ` (${refusal.message})` : ''}`);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      const { cause } = error as { cause?: Error };
      failures.push(`${url}: ${cause?.message ?? (error as Error).message}`);
    }
  }
  throw new Refusal('behind', `no admin that keeps the history of shards ${formatShards(shards)} answers now: ${failures.join('; ')}`);
}

/** What says something of the admin and not of the question: another one may answer. */
const OF_THE_ADMIN: ReadonlySet<RefusalCode> = new Set([
  'unauthenticated',
  'misdirected',
  'behind',
  'overloaded',
  'too-many-waiting',
  'starting',
  'internal',
  'log-unavailable',
]);

async function boundedText(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    if (text.length > MAX_ANSWER_BYTES) throw new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
  }
  return text + decoder.decode();
}

/** The refusal in a problem of RFC 9457; null for anything else. */
function refusalIn(text: string): Refusal | null {
  try {
    const { code, detail, field, received, row, expected, actual } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (typeof code !== 'string' || !CODES.has(code)) return null;
    const known = Object.fromEntries(Object.entries({ field, received, row, expected, actual }).filter(([, value]) => value !== undefined));
    return new Refusal(code as RefusalCode, String(detail), known as RefusalDetail);
  } catch {
    return null;
  }
}
