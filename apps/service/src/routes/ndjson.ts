import type { Readable, Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { parseLine } from '@nva/commands';
import { cut, Refusal } from '@nva/identifiers';
import type { Caller } from '@nva/registrar';
import { answerBody, answerStatus } from '../commands/command-answers.ts';
import { COMMANDS_PER_TURN } from '../commands/command-pieces.ts';
import type { Dispatcher } from '../commands/dispatcher.ts';
import type { Line, Result, Swept, SweepLine } from '../commands/lines.ts';
import { readJson } from '../http/json-input.ts';
import { OrderedOutput } from './ordered-output.ts';
import { problemOf, refusalOf } from '../refusals/problem.ts';
import { entityOf, type RefusedAttempts } from '../refusals/refused-attempts.ts';
import type { RequestContext } from '../access/request-context.ts';

/** Maximum bytes of one line. */
export const MAX_LINE_BYTES = 64 * 1_024;
/**
 * Maximum number of lines that are read, decided and appended in one turn, and the number of bytes after which no further line is
 * added: one or two milliseconds of this thread.
 */
export const LINES_PER_CHUNK = COMMANDS_PER_TURN;
const BYTES_PER_CHUNK = 32 * 1_024;
/** Lines, including blank ones, that are read before the event loop continues: about a millisecond. */
const LINES_PER_LOOK = 4_096;
/**
 * Maximum number of chunks of one request that wait or are under way. Beyond it reading stops, so that lines wait in the network
 * and not here.
 */
const CHUNKS_IN_FLIGHT = 4;

/**
 * The bytes of a line, one character for each byte. Lines wait for their turn. Buffers outside the heap that wait are freed late
 * and cause full garbage collections.
 */
type LineBytes = string;

/** A line of the input that is not blank, or the reason why it cannot be read. */
interface InputLine {
  /** Starts at 1; blank lines count, so it is the number that an editor shows. */
  readonly number: number;
  readonly content: LineBytes | Refusal;
}

/**
 * Commands as NDJSON: for each line of input one line of output, in the same order. Lines are decided in order, in chunks, each
 * in its caller's turn; while one chunk is being made durable, the next is read and decided. A line that cannot be parsed or is
 * refused fails alone. Answers are sent as they come; if the caller does not read them, its input is not read either.
 */
export class NdjsonCommands {
  readonly #dispatcher: Dispatcher;
  readonly #context: RequestContext;
  readonly #refused: Pick<RefusedAttempts, 'note'>;
  readonly #address: string;

  /** `address`: the address from which the request came. */
  constructor(dispatcher: Dispatcher, context: RequestContext, refused: Pick<RefusedAttempts, 'note'>, address: string) {
    this.#dispatcher = dispatcher;
    this.#context = context;
    this.#refused = refused;
    this.#address = address;
  }

  /** Resolves when every line is answered. Rejects if the connection breaks. */
  async run(input: Readable, output: Writable): Promise<void> {
    const answers = new OrderedOutput(output, CHUNKS_IN_FLIGHT);
    for await (const lines of chunks(input)) {
      await this.#dispatcher.paced(this.#context, lines.length);
      await answers.announce(this.#inTurn(lines));
    }
    await answers.written();
  }

  async #inTurn(lines: readonly InputLine[]): Promise<string> {
    try {
      return await this.#dispatcher.inTurn(this.#context, lines.length, () => this.#run(lines));
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal) throw error;
      for (const _ of lines) this.#note(refusal, {});
      return lines.map(({ number }) => refusedLine(number, refusal)).join('');
    }
  }

  async #run(lines: readonly InputLine[]): Promise<string> {
    const results: (string | null)[] = [];
    const parsed: (Line | SweepLine)[] = [];
    for (const line of lines) {
      try {
        parsed.push(this.#parse(line));
        results.push(null);
      } catch (error) {
        results.push(refusedLine(line.number, refusalOf(error) ?? new Refusal('internal', 'the line could not be read')));
      }
    }
    const decided = await this.#dispatcher.submit(parsed, this.#context);
    decided.forEach((result, i) => 'refusal' in result && this.#note(result.refusal, parsed[i]!.json));
    let next = 0;
    return results.map((result, i) => result ?? resultLine(lines[i]!.number, decided[next++]!)).join('');
  }

  /** Records a refused attempt. If the caller's token was withdrawn meanwhile, only the lines are known. */
  #note(refusal: Refusal, json: Line['json']): void {
    const { command, correlationId } = json;
    const ids = {
      address: this.#address,
      correlationId: typeof correlationId === 'string' ? cut(correlationId) : this.#context.correlationId,
    };
    this.#refused.note({
      ...ids,
      caller: callerOf(this.#context),
      command: typeof command === 'string' ? cut(command) : null,
      entity: entityOf(json),
      refusal,
    });
  }

  #parse({ number, content }: InputLine): Line | SweepLine {
    if (content instanceof Refusal) throw content;
    const json = readJson(Buffer.from(content, 'latin1'), `line ${number}`, number === 1);
    return { parsed: parseLine(json), json } as Line | SweepLine;
  }
}

function callerOf(context: RequestContext): Caller | null {
  try {
    return context.caller;
  } catch {
    return null;
  }
}

function resultLine(line: number, result: Result | Swept): string {
  if ('refusal' in result) return refusedLine(line, result.refusal);
  if ('swept' in result) return `${JSON.stringify({ status: 200, ...result.swept, line })}\n`;
  return `${JSON.stringify('answer' in result ? { status: answerStatus(result.answer), ...answerBody(result.answer), line } : { ...result.forwarded, line })}\n`;
}

const refusedLine = (line: number, refusal: Refusal): string => `${JSON.stringify({ ...problemOf(refusal), line })}\n`;

/**
 * The lines of the input without the blank ones: as many as are there, up to a bound. A line that is too long becomes its
 * refusal.
 */
async function* chunks(input: Readable): AsyncGenerator<InputLine[]> {
  let rest: LineBytes[] = [];
  let restBytes = 0;
  let lines: InputLine[] = [];
  let bytes = 0;
  let looked = 0;
  let number = 0;
  const end = (tail: LineBytes): void => {
    const length = restBytes + tail.length;
    number++;
    if (length > MAX_LINE_BYTES)
      lines.push({
        number,
        content: new Refusal('body-too-large', `a line has at most ${MAX_LINE_BYTES} bytes`, { field: '', received: length }),
      });
    else {
      const line = rest.length === 0 ? tail : rest.join('') + tail;
      if (!isBlank(line)) lines.push({ number, content: line });
    }
    rest = [];
    restBytes = 0;
  };
  for await (const data of input.setEncoding('latin1') as AsyncIterable<LineBytes>) {
    let from = 0;
    for (let at = data.indexOf('\n'); at !== -1; at = data.indexOf('\n', from)) {
      if (++looked % LINES_PER_LOOK === 0) await setImmediate();
      bytes += at - from;
      end(data.slice(from, at));
      from = at + 1;
      if (lines.length >= LINES_PER_CHUNK || bytes >= BYTES_PER_CHUNK) {
        if (lines.length > 0) yield lines;
        lines = [];
        bytes = 0;
      }
    }
    const tail = data.slice(from);
    restBytes += tail.length;
    // Of a line that is too long, only the length is kept.
    if (restBytes <= MAX_LINE_BYTES && tail.length > 0) rest.push(tail);
    if (lines.length > 0) yield lines;
    lines = [];
    bytes = 0;
  }
  if (restBytes > 0) end('');
  if (lines.length > 0) yield lines;
}

const isBlank = (line: LineBytes): boolean => /^[ \r\t]*$/.test(line);
