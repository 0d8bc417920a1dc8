import { connect, type Socket } from 'node:net';

export interface PressingOptions {
  readonly count: number;
  /** What the n-th socket sends, in turn. */
  readonly beginnings: readonly string[];
  /** From where; another address of this machine unless it is the same. */
  readonly from?: string;
  /** From when one is closed until it comes again; at once unless given. */
  readonly againAfterMs?: number;
}

/** Sockets that press a server, each with the beginning of a request, and that come again whenever they are closed. */
export class Pressing {
  readonly #url: URL;
  readonly #options: PressingOptions;
  readonly #sockets = new Set<Socket>();
  #ended = false;
  /** Times that one of them was closed. */
  closed = 0;
  /** Connections that were made, and answers. */
  connected = 0;
  answered = 0;

  constructor(url: string, options: PressingOptions) {
    this.#url = new URL(url);
    this.#options = options;
    const { count, beginnings } = options;
    for (let n = 0; n < count; n++) this.#open(beginnings[n % beginnings.length]!);
  }

  /** Resolves when all are gone. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(
      [...this.#sockets].map((socket) => (socket.destroyed ? null : new Promise((resolve) => socket.destroy().once('close', resolve)))),
    );
  }

  #open(beginning: string): void {
    const { from = '127.0.0.1', againAfterMs = 0 } = this.#options;
    const socket = connect({ port: Number(this.#url.port), host: this.#url.hostname, localAddress: from });
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => this.answered++);
    socket.on('connect', () => {
      this.connected++;
      socket.write(beginning);
    });
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.closed++;
      if (!this.#ended) setTimeout(() => this.#ended || this.#open(beginning), againAfterMs);
    });
  }
}

/** Sends what it is given on a connection of its own, and resolves with all that came until the server closed it. */
export async function exchange(url: string, ...pieces: readonly (string | Buffer)[]): Promise<string> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (data: Buffer) => (text += data.toString('latin1')));
  socket.on('error', () => undefined);
  for (const piece of pieces) socket.write(piece);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}
