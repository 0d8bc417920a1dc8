import { LogRefused, type Clock, type Leader, type Logger } from '@nva/ports';
import { parseConnectionString } from './connection-string.ts';
import { insideOf } from './inside.ts';
import { closedError, Link, type Node } from './link.ts';
import { Pull, type ClientStream } from './pull.ts';

/** The first server version whose filtered subscriptions report that they have caught up. */
const OLDEST_SERVER = [23, 10] as const;

/**
 * The nodes of one log, and one place that ends all calls. A follower lags: its answers may lack an append that was already
 * answered. So appends and reads demand the leader in every call: a node that is no longer the leader then names the leader,
 * instead of forwarding appends and reading its own data. A subscription goes to the node that the connection string prefers,
 * over its own connection if that is not the leader.
 */
export class Connection {
  readonly #leader: Link;
  readonly #preferred: Link;
  readonly #closing = new AbortController();

  /** Throws RangeError for an invalid connection string. Nothing is connected yet. */
  constructor(url: string, clock: Clock, log: Logger) {
    const { leader, preferred } = parseConnectionString(url);
    const rest = { clock, log, closing: this.#closing.signal };
    this.#leader = new Link({ target: leader, ...rest });
    this.#preferred = preferred ? new Link({ target: preferred, ...rest }) : this.#leader;
  }

  /** The node for calls that demand the leader. Rejects with StoreUnavailable if there is none in time. */
  leader(withinMs: number): Promise<Node> {
    return this.#leader.node(withinMs);
  }

  /** The node for subscriptions, however long it takes. Rejects when `reader` aborts. */
  preferred(reader: AbortSignal): Promise<Node> {
    return this.#preferred.node(Infinity, reader);
  }

  get leaderState(): Leader {
    return this.#leader.state;
  }

  /** An answer looked as if the node is not the leader: the node is checked early. */
  doubt(): void {
    void this.#leader.look();
  }

  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  assertOpen(): void {
    if (this.closed) throw closedError();
  }

  /** Throws LogRefused for a server that is too old. */
  async assertVersion(withinMs: number): Promise<void> {
    const node = await this.leader(withinMs);
    const { serverVersion } = await insideOf(node.client).capabilities.catch((error: unknown) => {
      // The client caches the answer, also a failure.
      this.#leader.drop(node, error);
      throw error;
    });
    const [major = 0, minor = 0] = serverVersion.split('.').map(Number);
    if (!(major > OLDEST_SERVER[0] || (major === OLDEST_SERVER[0] && minor >= OLDEST_SERVER[1])))
      throw new LogRefused(`the server is version ${serverVersion}; the log needs ${OLDEST_SERVER.join('.')} or newer`);
  }

  /**
   * The items of a read, in batches. Ends early without an error when this closes, and with an error when the node has stopped
   * answering.
   */
  async *take<T>(node: Node, stream: ClientStream, max: number): AsyncGenerator<T[], void> {
    const { signal } = this;
    const pull = new Pull<T>(stream);
    const stop = (): void => pull.stop();
    const fail = (): void => pull.fail(new Error('the node has stopped answering'));
    signal.addEventListener('abort', stop);
    node.gone.addEventListener('abort', fail);
    try {
      if (node.gone.aborted) fail();
      for (let items = signal.aborted ? null : await pull.take(max); items !== null && !signal.aborted; items = await pull.take(max))
        yield items;
    } finally {
      signal.removeEventListener('abort', stop);
      node.gone.removeEventListener('abort', fail);
      discard(stream);
    }
  }

  /** Ends reads and subscriptions, then the connection. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.#closing.abort();
    await Promise.all([...new Set([this.#leader, this.#preferred])].map((link) => link.close()));
  }
}

/**
 * Cancels a call at the server too. The call may never have been made; then there is nothing to cancel. Items that have arrived
 * are consumed: the client keeps a call that the server has ended until every item of it is read.
 */
export function discard(stream: ClientStream): void {
  void (stream.cancel?.() ?? stream.unsubscribe?.())?.catch(() => undefined);
  stream.on('error', () => undefined);
  stream.removeAllListeners('readable');
  stream.resume();
}
