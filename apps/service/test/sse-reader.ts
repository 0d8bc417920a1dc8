import { get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';

/** One event as it stands on the wire. */
export interface SseEvent {
  readonly event?: string;
  readonly id?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A bounded wait for what the server should send at once. */
const EVENT_WITHIN_MS = 120_000;

/** A plain reader of Server-Sent Events that knows nothing of their meaning. */
export class SseReader {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly #response: IncomingMessage;
  readonly #events: AsyncIterator<SseEvent>;

  private constructor(response: IncomingMessage) {
    this.status = response.statusCode!;
    this.headers = response.headers;
    this.#response = response;
    this.#events = parse(response);
  }

  static open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<SseReader> {
    return new Promise((resolve, reject) => {
      get(url, { headers: { accept: 'text/event-stream', ...headers }, agent: false }, (response) => resolve(new SseReader(response))).on(
        'error',
        reject,
      );
    });
  }

  /** The next event; null when the server has ended the stream. */
  async next(): Promise<SseEvent | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no event within ${EVENT_WITHIN_MS} ms`)), EVENT_WITHIN_MS);
    });
    try {
      const { done, value } = await Promise.race([this.#events.next(), late]);
      return done ? null : value;
    } finally {
      clearTimeout(timer);
    }
  }

  async take(count: number): Promise<SseEvent[]> {
    const events: SseEvent[] = [];
    while (events.length < count) {
      const event = await this.next();
      if (event === null) throw new Error(`the stream ended after ${events.length} events`);
      events.push(event);
    }
    return events;
  }

  /** Everything to the marker, which comes last. */
  async snapshot(): Promise<SseEvent[]> {
    const events = await this.take(1);
    while (events.at(-1)!.event !== 'snapshot-complete') events.push(...(await this.take(1)));
    return events;
  }

  close(): void {
    this.#response.destroy();
  }
}

async function* parse(body: AsyncIterable<Uint8Array>): AsyncGenerator<SseEvent> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => line.split(/: (.*)/s, 2) as [string, string]),
      );
      text = text.slice(end + 2);
      if (!fields.has('data')) continue;
      const [event, id] = [fields.get('event'), fields.get('id')];
      yield { ...(event === undefined ? {} : { event }), ...(id === undefined ? {} : { id }), data: JSON.parse(fields.get('data')!) };
    }
  }
}
