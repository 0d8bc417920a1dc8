import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request for a feed, answered by a test line by line. */
export class SseRequest {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.url = request.url ?? '';
    this.headers = request.headers;
    this.#response = response;
  }

  get gone(): boolean {
    return this.#response.destroyed;
  }

  refuse(code: number, headers: Readonly<Record<string, string>> = {}): void {
    this.#response.writeHead(code, headers).end();
  }

  answer(contentType: string, body: string): void {
    this.#response.writeHead(200, { 'content-type': contentType }).end(body);
  }

  hello(log: string, mode: 'snapshot' | 'resume'): this {
    this.#response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    return this.write(`event: hello\ndata: ${JSON.stringify({ log, mode })}\n\n`);
  }

  record(key: string, value: unknown, position: number, id?: string): this {
    return this.write(`${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify({ key, value, position: String(position) })}\n\n`);
  }

  snapshotComplete(log: string, position: number): this {
    return this.write(`event: snapshot-complete\nid: ${log}/${position}\ndata: {}\n\n`);
  }

  write(text: string | Uint8Array): this {
    this.#response.write(text);
    return this;
  }

  end(): void {
    this.#response.end();
  }

  cut(): void {
    this.#response.destroy();
  }
}

/** An HTTP server on loopback whose requests a test takes one by one and answers as it likes. */
export class SseServer {
  readonly #server: Server;
  readonly #arrived: SseRequest[] = [];
  readonly #waiting: ((request: SseRequest) => void)[] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      const arrived = new SseRequest(request, response);
      const waiting = this.#waiting.shift();
      if (waiting) waiting(arrived);
      else this.#arrived.push(arrived);
    });
  }

  static async start(): Promise<SseServer> {
    const server = new SseServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next request, in order of arrival. */
  next(): Promise<SseRequest> {
    const arrived = this.#arrived.shift();
    return arrived ? Promise.resolve(arrived) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
