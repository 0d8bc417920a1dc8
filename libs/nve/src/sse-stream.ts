import { FeedDenied, FeedUnavailable } from '@nva/ports';
import { EventStreamParser, SseProtocolError, type StreamEvent } from './event-stream.ts';
import type { Timers } from './timers.ts';

/** After this silence a stream counts as dead: three of the server's keep-alive comments. */
export const SILENCE_MS = 45_000;

const REFUSED_STATUS = new Set([401, 403, 404]);
/**
 * 409: the requested position is beyond the server's log; the server's operator must decide what holds. 429: too many streams.
 * Neither says anything about the right to read.
 */
const LATER_STATUS = new Set([409, 429]);
/** Maximum of the seconds in a Retry-After; a longer one is cut to this. */
const MAX_RETRY_AFTER_S = 300;

/**
 * The server answered and refused: retrying soon will not help. The NVA itself says this, also if it says that there is no such
 * feed.
 */
export class FeedStreamRefused extends FeedDenied {
  override readonly name = 'FeedStreamRefused';
  readonly retryAfterMs: number | null;

  constructor(message: string, retryAfter: string | null) {
    super(message);
    this.retryAfterMs = retryAfterMs(retryAfter);
  }
}

/** The server answered that it cannot serve the feed now: retrying soon will not help, and the present table stays. */
export class FeedStreamDelayed extends FeedUnavailable {
  override readonly name = 'FeedStreamDelayed';
  readonly retryAfterMs: number | null;

  constructor(message: string, retryAfter: string | null) {
    super(message);
    this.retryAfterMs = retryAfterMs(retryAfter);
  }
}

/** The delay that the server asks for (Retry-After, RFC 9110, section 10.2.3); null if there is none. */
const retryAfterMs = (header: string | null): number | null =>
  /^\d{1,6}$/.test(header ?? '') ? Math.min(Number(header), MAX_RETRY_AFTER_S) * 1_000 : null;

export interface StreamRequest {
  readonly url: string;
  readonly token: string | undefined;
  readonly lastEventId: string | null;
  readonly fetch: typeof fetch;
  readonly timers: Timers;
  /** Aborted when the feed is no longer followed. */
  readonly signal: AbortSignal;
}

/**
 * Opens a stream of events and hands them over until the stream ends, always by an error: FeedStreamRefused on 401, 403 and 404,
 * FeedStreamDelayed on 409 and 429, SseProtocolError if it is no event stream, FeedUnavailable otherwise, including an orderly
 * end by the server.
 */
export async function readStream(request: StreamRequest, onEvent: (event: StreamEvent) => void): Promise<never> {
  const silent = new AbortController();
  const silence = (): void => silent.abort(new FeedUnavailable(`${request.url}: silent for ${SILENCE_MS} ms`));
  let callOff = request.timers.after(SILENCE_MS, silence);
  try {
    const body = await open(request, AbortSignal.any([request.signal, silent.signal]));
    const parser = new EventStreamParser(onEvent);
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      callOff();
      callOff = request.timers.after(SILENCE_MS, silence);
      parser.feed(decoder.decode(chunk, { stream: true }));
    }
    throw new FeedUnavailable(`${request.url}: ended by the server`);
  } catch (cause) {
    throw asStreamError(cause, request.url);
  } finally {
    callOff();
  }
}

async function open({ url, token, lastEventId, fetch }: StreamRequest, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const headers = new Headers({ accept: 'text/event-stream' });
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  if (lastEventId !== null) headers.set('last-event-id', lastEventId);
  // A redirect could carry the token to another origin.
  const response = await fetch(url, { headers, signal, redirect: 'error', cache: 'no-store' });
  const isStream = response.status === 200 && response.headers.get('content-type')?.startsWith('text/event-stream');
  if (isStream && response.body) return response.body;
  await response.body?.cancel();
  if (REFUSED_STATUS.has(response.status)) throw new FeedStreamRefused(`${url}: ${response.status}`, response.headers.get('retry-after'));
  if (LATER_STATUS.has(response.status)) throw new FeedStreamDelayed(`${url}: ${response.status}`, response.headers.get('retry-after'));
  throw response.ok
    ? new SseProtocolError(`${url}: ${response.headers.get('content-type')} is no event stream`)
    : new FeedUnavailable(`${url}: ${response.status}`);
}

function asStreamError(cause: unknown, url: string): Error {
  if (cause instanceof FeedStreamRefused || cause instanceof SseProtocolError || cause instanceof FeedUnavailable) return cause;
  return new FeedUnavailable(`${url}: cannot be read`, { cause });
}
