/** An event of the stream. */
export interface StreamEvent {
  /** If absent, the event is a `message`. */
  readonly event?: string;
  /** The id of this event itself, not the last one seen. */
  readonly id?: string;
  readonly data: string;
}

/** Maximum length of one event, in characters. A mapping is under 1 KiB. */
export const MAX_EVENT_CHARACTERS = 1_048_576;

/** The stream violates the protocol; reading cannot continue. */
export class SseProtocolError extends Error {
  override readonly name = 'SseProtocolError';
}

/**
 * Splits a text/event-stream into events (WHATWG HTML, section 9.2.6, «Interpreting an event stream»):
 *
 *     stream  = [ bom ] *event
 *     event   = *( comment / field ) end-of-line
 *     comment = colon *any-char end-of-line
 *     field   = 1*name-char [ colon [ space ] *any-char ] end-of-line
 *     end-of-line = cr lf / cr / lf
 *
 * Why not a package: the available ones export their TypeScript under the condition `source`, which this repository itself uses.
 * A lone CR as end of line is not understood; no server of ours writes it.
 */
export class EventStreamParser {
  readonly #onEvent: (event: StreamEvent) => void;
  #rest = '';
  #event: string | undefined;
  #id: string | undefined;
  #data: string | undefined;

  constructor(onEvent: (event: StreamEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Takes the next piece of the stream, cut anywhere. Throws SseProtocolError for an event longer than MAX_EVENT_CHARACTERS. */
  feed(text: string): void {
    const input = this.#rest + text;
    let start = 0;
    for (let end = input.indexOf('\n'); end >= 0; end = input.indexOf('\n', start)) {
      this.#line(input.slice(start, input[end - 1] === '\r' && end > start ? end - 1 : end));
      start = end + 1;
    }
    this.#rest = input.slice(start);
    if (this.#rest.length + (this.#data?.length ?? 0) > MAX_EVENT_CHARACTERS)
      throw new SseProtocolError(`an event of over ${MAX_EVENT_CHARACTERS} characters`);
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'data') this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
    else if (name === 'event') this.#event = value;
    else if (name === 'id') this.#id = value;
    // Comments have an empty name; other fields are ignored.
  }

  #dispatch(): void {
    const [event, id, data] = [this.#event, this.#id, this.#data];
    this.#event = this.#id = this.#data = undefined;
    if (data !== undefined) this.#onEvent({ data, ...(event ? { event } : {}), ...(id === undefined ? {} : { id }) });
  }
}
