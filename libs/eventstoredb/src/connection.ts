import { EventStoreDBClient } from '@eventstore/db-client';
import type { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { LogRefused, StoreUnavailable } from '@nva/ports';
import { parseConnectionString } from './connection-string.ts';
import { CLOSE_DEADLINE_MS } from './limits.ts';
import { Pull, type ClientStream } from './pull.ts';
import { within } from './waiting.ts';

/** The first version whose filtered subscriptions say that they have caught up. */
const OLDEST_SERVER = [23, 10] as const;

type Constructor<C> = new (...args: never[]) => C;

/** What the client has and its types keep for its own classes. */
interface ClientInside {
  readonly capabilities: Promise<{ readonly serverVersion: string }>;
  getChannel(): Promise<{ close(): void }>;
  /** The stubs of one service on the current connection; others after the connection has changed. */
  getGRPCClient<C>(service: Constructor<C>, name: string): Promise<C>;
  /** Opens a call; when it breaks the client looks for another connection. */
  GRPCStreamCreator<C, S>(service: Constructor<C>, name: string, create: (stubs: C) => S): () => Promise<S>;
  /** Metadata and credentials of a call. */
  callArguments(options: { readonly requiresLeader?: boolean }, call: { readonly deadline: number }): [metadata: Metadata, options: object];
}
type Metadata = NonNullable<Parameters<StreamsClient['batchAppend']>[0]> & NonNullable<Parameters<StreamsClient['read']>[1]>;

export const insideOf = (client: EventStoreDBClient): ClientInside => client as unknown as ClientInside;

/**
 * The clients of one log, and an end to everything that goes through them. A follower lags: what it answers may lack an append
 * that was answered already. So appends and reads go to the leader, which they demand in every call: a node that no longer is it
 * then names the one that is, instead of passing appends on and reading from what it has. A subscription goes to the
 * node that the connection string prefers, over a connection of its own where that is not the leader.
 */
export class Connection {
  readonly client: EventStoreDBClient;
  readonly #preferredUrl: string | null;
  #preferred: EventStoreDBClient | undefined;
  readonly #closing = new AbortController();

  /** Throws RangeError for a connection string that is none. */
  constructor(url: string) {
    const { leader, preferred } = parseConnectionString(url);
    this.client = EventStoreDBClient.connectionString(leader);
    this.#preferredUrl = preferred;
  }

  /** The client of subscriptions. */
  get preferred(): EventStoreDBClient {
    if (this.#preferredUrl === null) return this.client;
    return (this.#preferred ??= EventStoreDBClient.connectionString(this.#preferredUrl));
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
  async assertVersion(): Promise<void> {
    const { serverVersion } = await insideOf(this.client).capabilities;
    const [major = 0, minor = 0] = serverVersion.split('.').map(Number);
    if (!(major > OLDEST_SERVER[0] || (major === OLDEST_SERVER[0] && minor >= OLDEST_SERVER[1]))) throw new LogRefused(`the server is version ${serverVersion}; the log needs ${OLDEST_SERVER.join('.')} or newer`);
  }

  /** All that a read gives, in batches. Ends early, without an error, when `signal` aborts or this closes. */
  async *take<T>(stream: ClientStream, max: number, signal: AbortSignal = this.signal): AsyncGenerator<T[], void> {
    const pull = new Pull<T>(stream);
    const stop = (): void => pull.stop();
    signal.addEventListener('abort', stop);
    try {
      for (let items = signal.aborted ? null : await pull.take(max); items !== null && !signal.aborted; items = await pull.take(max)) yield items;
    } finally {
      signal.removeEventListener('abort', stop);
      discard(stream);
    }
  }

  /** Ends reads and subscriptions, then the connection itself. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.#closing.abort();
    await Promise.all([this.client, ...(this.#preferred ? [this.#preferred] : [])].map(closeClient));
  }
}

async function closeClient(client: EventStoreDBClient): Promise<void> {
  // It waits for every stream that it knows; one that cannot be told from here that it is over must not hold up the end.
  await within(CLOSE_DEADLINE_MS, 'closing the connection', client.dispose()).catch(() => undefined);
  // The client leaves its channel open, and with it a socket. Nobody else holds this client.
  await within(CLOSE_DEADLINE_MS, 'closing the connection', insideOf(client).getChannel().then((channel) => channel.close())).catch(() => undefined);
}

export const closedError = (): StoreUnavailable => new StoreUnavailable('the log is closed');

/**
 * Tells the server too. The call may never have been made; then there is nothing to tell. What has come is let run out: the
 * client holds a call that the server has ended for as long as anything of it is unread.
 */
export function discard(stream: ClientStream): void {
  void (stream.cancel?.() ?? stream.unsubscribe?.())?.catch(() => undefined);
  stream.on('error', () => undefined);
  stream.removeAllListeners('readable');
  stream.resume();
}
