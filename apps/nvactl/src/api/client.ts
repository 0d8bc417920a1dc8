import { sleep } from '@nva/ports';
import { EXIT, Failure } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { visible } from '../output/visible.ts';
import type { Problem } from './answers.ts';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ClientOptions {
  readonly server: string;
  readonly token: string | null;
  readonly timeoutMs: number;
}

export interface CallOptions {
  readonly query?: Query;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

interface RawCall extends CallOptions {
  readonly accept?: string;
  readonly signal?: AbortSignal;
  /** A body as it is; `body` is JSON. */
  readonly raw?: string;
}

/** The largest answer that is read whole. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
/** How often a call is given again that was told to come later, and how long it waits for that at most. */
const MAX_TRIES = 4;
const MAX_WAIT_S = 5;
/** The most items that the NVA gives at once. */
export const PAGE = 1_000;
/** The most pages of one list: empty ones count, for a list may have many of them. */
const MAX_PAGES = 1_000_000;
const LATER = new Set([429, 503]);
/** The NVA sends a comment on a stream every 15 s. */
const SILENT_MS = 60_000;

/** A page of a list; without a `next` it is the last one. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
  readonly at?: { readonly position: string };
}

/** The NVA refused a call. `problem` is what it said, as far as it is an RFC 9457 problem. */
export class Refused extends Failure {
  readonly status: number;
  readonly problem: Partial<Problem>;

  constructor(status: number, problem: Partial<Problem>) {
    super(exitCodeOf(status), problemText(status, problem));
    this.status = status;
    this.problem = problem;
  }
}

export const exitCodeOf = (status: number) =>
  status === 404 ? EXIT.notFound : status >= 500 || status === 429 ? EXIT.unreachable : EXIT.refused;

/** A problem as a line for people. */
export function problemText(status: number, { code, detail, field, received, row }: Partial<Problem>): string {
  const about = [
    ...(field ? [`field ${field}`] : []),
    ...(received === undefined || received === null ? [] : [`received ${JSON.stringify(received)}`]),
    ...(row ? [row] : []),
  ].join(', ');
  return `${detail ?? 'the NVA gave no reason'} (${[`${status}${code ? ` ${code}` : ''}`, about].filter((part) => part !== '').join('; ')})`;
}

/** Calls of one NVA over HTTP. Every error is a Failure with its exit code. */
export class NvaClient {
  readonly server: string;
  readonly #token: string | null;
  readonly #timeoutMs: number;
  readonly #io: Pick<Io, 'signal' | 'clock'>;

  constructor({ server, token, timeoutMs }: ClientOptions, io: Pick<Io, 'signal' | 'clock'>) {
    this.server = server;
    this.#token = token;
    this.#timeoutMs = timeoutMs;
    this.#io = io;
  }

  async get<T>(path: string, query: Query = {}): Promise<T> {
    return (await this.call<T>('GET', path, { query })).body;
  }

  /** null where the NVA says 404. */
  async find<T>(path: string, query: Query = {}): Promise<T | null> {
    try {
      return await this.get<T>(path, query);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return null;
      throw error;
    }
  }

  /** Every item of a list; each once. It goes on until the last page, or until the caller stops. */
  async *items<T>(path: string, query: Query = {}): AsyncGenerator<T, void> {
    for await (const items of this.batches<T>(path, query)) yield* items;
  }

  /** The same, page by page. */
  async *batches<T>(path: string, query: Query = {}): AsyncGenerator<readonly T[], void> {
    const pages = this.pages<Page<T>>((after, before) =>
      this.get(path, {
        limit: PAGE,
        ...query,
        // A list of the past pages on at the position that the first page was of.
        ...(before?.at && query['at'] !== undefined && { at: before.at.position }),
        ...(after !== undefined && { after }),
      }),
    );
    for await (const { items } of pages) yield items;
  }

  /** The pages of a list. `ask` gets one of them: `next` is what the page before it said. */
  async *pages<P extends Page<unknown>>(ask: (next: string | undefined, before: P | undefined) => Promise<P>): AsyncGenerator<P, void> {
    let page: P | undefined;
    for (let count = 0; count < MAX_PAGES; count++) {
      const next: string | undefined = page?.next;
      page = await this.#asked(() => ask(next, page));
      if (!Array.isArray(page.items) || page.items.some((item) => typeof item !== 'object' || item === null))
        throw notAnNva(this.server, 'a list without items');
      yield page;
      if (page.next === undefined) return;
      if (typeof page.next !== 'string' || page.next === next) throw notAnNva(this.server, 'a page that leads to itself');
    }
    throw notAnNva(this.server, `a list of more than ${MAX_PAGES} pages`);
  }

  /** An answer that lacks what every NVA answers is the server's fault. */
  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (cause) {
      throw cause instanceof TypeError ? notAnNva(this.server, cause.message, cause) : cause;
    }
  }

  async call<T>(method: string, path: string, options: CallOptions = {}): Promise<{ readonly status: number; readonly body: T }> {
    const response = await this.#patient(method, path, { ...options, accept: 'application/json' });
    const body = await this.#text(response);
    return { status: response.status, body: this.#object<T>(body) };
  }

  /** The answer whatever its status is, as /readyz has one of 503 too. */
  async anyway<T>(path: string): Promise<T> {
    return this.#object<T>(await this.#text(await this.#fetched('GET', path, {})));
  }

  #object<T>(text: string): T {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw notAnNva(this.server, 'an answer that is not JSON', cause);
    }
    if (typeof value !== 'object' || value === null) throw notAnNva(this.server, 'an answer that is no object');
    return value as T;
  }

  async text(path: string): Promise<string> {
    return this.#text(await this.#patient('GET', path, { accept: 'text/plain' }));
  }

  /** An answer that is no text, piece by piece as it comes. */
  async *bytes(path: string, query: Query = {}): AsyncGenerator<Uint8Array, void> {
    const response = await this.#patient('GET', path, { query, accept: '*/*' });
    try {
      for await (const chunk of response.body ?? []) yield chunk as Uint8Array;
    } catch (cause) {
      throw this.#broken(cause, this.#io.signal);
    }
  }

  /** Sends lines to /v1/commands and gives the results as they come. `signal` ends it at once. */
  async *lines(body: string, signal: AbortSignal): AsyncGenerator<string, void> {
    const response = await this.#patient('POST', '/v1/commands', {
      raw: body,
      headers: { 'content-type': 'application/x-ndjson' },
      accept: 'application/x-ndjson',
      signal,
    });
    let rest = '';
    for await (const piece of this.#pieces(response)) {
      const lines = (rest + piece).split('\n');
      rest = lines.pop()!;
      yield* lines.filter((line) => line !== '');
    }
  }

  /** An open stream of Server-Sent Events, piece by piece. A stream on which nothing comes any more, no comment either, is dead. */
  async *stream(path: string, lastEventId: string | null, signal: AbortSignal): AsyncGenerator<string, void> {
    const dead = new AbortController();
    const watched = AbortSignal.any([signal, dead.signal]);
    const response = await this.#fetched('GET', path, {
      accept: 'text/event-stream',
      headers: lastEventId === null ? {} : { 'last-event-id': lastEventId },
      signal: watched,
    });
    if (response.status !== 200) throw await this.#refusal(response);
    const within = (): (() => void) =>
      this.#io.clock.after(SILENT_MS, () => dead.abort(new Error(`nothing came for ${SILENT_MS / 1_000} s`)), { background: true });
    let callOff = within();
    try {
      for await (const piece of this.#pieces(response)) {
        // While the caller is busy, nobody waits for the stream.
        callOff();
        yield piece;
        callOff = within();
      }
    } finally {
      callOff();
    }
  }

  async #patient(method: string, path: string, options: RawCall): Promise<Response> {
    for (let tries = 1; ; tries++) {
      const response = await this.#fetched(method, path, options);
      if (response.ok) return response;
      const waitS = Number(response.headers.get('retry-after'));
      const refusal = await this.#refusal(response);
      // Where the outcome is unknown, a command that was given again might be done twice.
      const again =
        LATER.has(response.status) &&
        tries < MAX_TRIES &&
        (method === 'GET' || (refusal instanceof Refused && refusal.problem.code !== 'outcome-unknown'));
      if (!again) throw refusal;
      await this.#wait(Math.min(Number.isFinite(waitS) && waitS > 0 ? waitS : 1, MAX_WAIT_S) * 1_000);
    }
  }

  async #wait(ms: number): Promise<void> {
    try {
      await sleep(this.#io.clock, ms, { signal: this.#io.signal });
    } catch {
      throw interrupted();
    }
  }

  async #fetched(method: string, path: string, options: RawCall): Promise<Response> {
    const { query = {}, body, raw, headers = {}, accept = 'application/json', signal = this.#io.signal } = options;
    const url = new URL(this.server + path);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
    const started = new AbortController();
    const callOff = this.#io.clock.after(this.#timeoutMs, () => started.abort(new Error(`no answer within ${this.#timeoutMs / 1_000} s`)), {
      background: true,
    });
    try {
      return await fetch(url, {
        method,
        redirect: 'manual',
        headers: {
          accept,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
          ...headers,
        },
        ...(raw === undefined ? (body === undefined ? {} : { body: JSON.stringify(body) }) : { body: raw }),
        signal: AbortSignal.any([signal, started.signal]),
      });
    } catch (cause) {
      throw this.#broken(cause, signal);
    } finally {
      callOff();
    }
  }

  async *#pieces(response: Response): AsyncGenerator<string, void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) yield decoder.decode(chunk as Uint8Array, { stream: true });
    } catch (cause) {
      throw this.#broken(cause, this.#io.signal);
    }
  }

  async #text(response: Response): Promise<string> {
    let text = '';
    for await (const piece of this.#pieces(response)) {
      text += piece;
      if (text.length > MAX_ANSWER_BYTES) throw notAnNva(this.server, `an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    }
    return text;
  }

  async #refusal(response: Response): Promise<Refused | Failure> {
    const text = await this.#text(response);
    try {
      const problem = JSON.parse(text) as Partial<Problem> | null;
      if (typeof problem?.code === 'string') return new Refused(response.status, problem);
    } catch {
      // Not a problem of an NVA: said below.
    }
    return notAnNva(this.server, `${response.status}, which says nothing that an NVA says`);
  }

  #broken(cause: unknown, signal: AbortSignal): Failure {
    if (signal.aborted || this.#io.signal.aborted) return interrupted();
    return new Failure(EXIT.unreachable, `cannot reach the NVA at ${this.server}: ${reasonOf(cause)}`, { cause });
  }
}

export const interrupted = (): Failure => new Failure(EXIT.interrupted, 'interrupted');

const notAnNva = (server: string, what: string, cause?: unknown): Failure =>
  new Failure(EXIT.unreachable, `${server} does not answer as an NVA: ${what}`, { cause });

/** fetch hides the reason in the cause, and that of several addresses in a list. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(reasonOf).join('; ');
  if (error.cause !== undefined) return reasonOf(error.cause);
  return visible(error.message === '' ? error.name : error.message);
}

/** A part of a path, whatever it has in it. */
export const part = (value: string | number): string => encodeURIComponent(String(value));
