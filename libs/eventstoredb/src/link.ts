import { EventStoreDBClient } from '@eventstore/db-client';
import { StoreUnavailable, type Clock, type Leader, type Logger } from '@nva/ports';
import { chosen, leaderAmong, membersBy } from './cluster-members.ts';
import type { Endpoint, Target } from './connection-string.ts';
import { leaderNamedIn, messageOf, losesNode } from './errors.ts';
import { insideOf } from './inside.ts';
import {
  CLOSE_DEADLINE_MS,
  FIRST_SEARCH_DELAY_MS,
  HELD_UP_MS,
  LARGEST_SEARCH_DELAY_MS,
  LOOK_EVERY_MS,
  LOOK_TIMEOUT_MS,
  LOOKS_MISSED,
  TELL_EVERY_MS,
} from './limits.ts';
import { Rounds } from './rounds.ts';
import { wait, within } from './waiting.ts';

/** A node, and a client for it. The client has this one address, so it does not look for another node. */
export interface Node {
  readonly client: EventStoreDBClient;
  readonly endpoint: Endpoint;
  /** Aborts when the node has stopped answering: calls to it will not end on their own. */
  readonly gone: AbortSignal;
}

export interface LinkOptions {
  readonly target: Target;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts when the store closes. */
  readonly closing: AbortSignal;
}

/**
 * The connection to one node of the kind that a connection string prefers: the leader for calls that demand it. When the node is
 * lost, another one is looked for, without end and with waits that grow up to a bound, and a new client is made for it. A node is
 * checked every second: neither a stopped process nor a node that has lost an election breaks a connection.
 *
 * Why not the client's own discovery: it gives up after some attempts, in a rejection that nobody can catch, which ends the
 * process. With more attempts every call would wait on its own, and nobody would report that there is no leader.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #waiting = new Set<() => void>();
  /** Running questions, by the node asked: a node that does not answer delays no other. */
  readonly #asking = new Rounds<Endpoint>();
  readonly #reaching = new Rounds<Node & { readonly lost: AbortController }>();
  #node: (Node & { readonly lost: AbortController }) | null = null;
  #searching = false;
  /** The leader as named by another node that refused a call which only the leader may do. */
  #named: Endpoint | null = null;
  #sinceMs: number;
  #toldMs = Number.NEGATIVE_INFINITY;
  #reason = 'not looked for yet';
  #missed = 0;
  #underLook = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.monotonicMs();
    const endLooks = options.clock.every(LOOK_EVERY_MS, () => void this.look(), { background: true });
    options.closing.addEventListener('abort', () => {
      endLooks();
      this.#reaching.forget((node) => closeChannel(node.client));
      this.#wake();
    });
  }

  /** The present node, and for how long there has been one, or none. */
  get state(): Leader {
    return { node: this.#node && nameOf(this.#node.endpoint), forMs: this.#options.clock.monotonicMs() - this.#sinceMs };
  }

  /**
   * Resolves with the node as soon as there is one. Rejects with StoreUnavailable if that takes longer, or if this closes; with
   * `signal`, also when that aborts.
   */
  async node(withinMs: number, signal?: AbortSignal): Promise<Node> {
    const { clock, closing } = this.#options;
    for (const giveUpAtMs = clock.monotonicMs() + withinMs; ;) {
      if (closing.aborted || signal?.aborted) throw closedError();
      if (this.#node) return this.#node;
      const leftMs = giveUpAtMs - clock.monotonicMs();
      if (leftMs <= 0) throw new StoreUnavailable(this.#none());
      void this.#search();
      await this.#found(leftMs, signal);
    }
  }

  /** Checks the node; called early if there is a doubt. Called by the timer. */
  async look(): Promise<void> {
    const node = this.#node;
    if (!node || this.#underLook) return;
    const { target, clock } = this.#options;
    this.#underLook = true;
    const fromMs = clock.monotonicMs();
    try {
      const members = await membersBy(node.client, LOOK_TIMEOUT_MS);
      this.#missed = 0;
      const leader = members && leaderAmong(members);
      if (target.preference !== 'leader' || members === null) return;
      if (!leader) this.#lose(node, `${nameOf(node.endpoint)} knows no leader`);
      else if (
        !target.direct &&
        nameOf(leader) !== nameOf(node.endpoint) &&
        members.some((member) => nameOf(member) === nameOf(node.endpoint))
      )
        this.#lose(node, `${nameOf(leader)} is the leader`);
    } catch (error) {
      // If this process was held up, the answer may have arrived unheard.
      if (clock.monotonicMs() - fromMs > LOOK_TIMEOUT_MS + HELD_UP_MS) return;
      if (++this.#missed >= LOOKS_MISSED) this.#lose(node, `${nameOf(node.endpoint)}: ${messageOf(error)}`, true);
    } finally {
      this.#underLook = false;
    }
  }

  /** The node answered, but another one may do better. */
  drop(node: Node, error: unknown): void {
    if (node === this.#node) this.#lose(this.#node, `${nameOf(node.endpoint)}: ${messageOf(error)}`);
  }

  /** Releases the node. */
  async close(): Promise<void> {
    const node = this.#node;
    this.#node = null;
    if (!node) return;
    // `dispose` waits for every stream that the client knows; a stream whose end cannot be seen from here must not delay the
    // close.
    await within(CLOSE_DEADLINE_MS, 'closing the connection', node.client.dispose()).catch(() => undefined);
    closeChannel(node.client);
  }

  /** Searches until a node is found. One search at a time. */
  async #search(): Promise<void> {
    if (this.#searching) return;
    this.#searching = true;
    const { closing } = this.#options;
    try {
      for (let delayMs = FIRST_SEARCH_DELAY_MS; !this.#node && !closing.aborted; delayMs = Math.min(2 * delayMs, LARGEST_SEARCH_DELAY_MS)) {
        const found = await this.#attempt();
        if (found && closing.aborted) closeChannel(found.client);
        else if (found) this.#take(found);
        else {
          this.#tell();
          await wait(delayMs, closing);
        }
      }
    } finally {
      this.#searching = false;
    }
  }

  /** One round: tries the named node, or the one that the first answering seed reports. null if none is found; `#reason` says why. */
  async #attempt(): Promise<(Node & { readonly lost: AbortController }) | null> {
    const { target } = this.#options;
    const named = this.#named;
    this.#named = null;
    const reached = named && (await this.#reaching.of(nameOf(named), () => this.#reach(named)));
    if (reached) return reached;
    const [seed] = target.seeds;
    const endpoint = target.direct ? seed! : await this.#told();
    return endpoint && this.#reaching.of(nameOf(endpoint), () => this.#reach(endpoint));
  }

  /** The node that the first answering seed reports; null if no seed has answered within the round. */
  async #told(): Promise<Endpoint | null> {
    const { seeds } = this.#options.target;
    const told = seeds.map((seed) => this.#asking.of(nameOf(seed), () => this.#toldBy(seed).catch(() => null)));
    return Promise.any(told.map(async (one) => (await one) ?? Promise.reject(new Error('nobody')))).catch(() => null);
  }

  /** The node that a seed reports; the seed itself if it does not tell. Rejects if there is none. */
  async #toldBy(seed: Endpoint): Promise<Endpoint> {
    const { target } = this.#options;
    let client: EventStoreDBClient | null = null;
    try {
      client = clientOf(target.asking(seed));
      const members = await membersBy(client, target.gossipTimeoutMs);
      const member = members === null ? seed : chosen(members, target.preference);
      if (!member) throw new Error(target.preference === 'leader' ? 'knows no leader' : 'knows no node in a state to serve');
      return member;
    } catch (error) {
      this.#reason = `${nameOf(seed)}: ${messageOf(error)}`;
      throw error;
    } finally {
      if (client) closeChannel(client);
    }
  }

  /** A client of a node that answers; null if it does not answer, or if it should be the leader and knows of none. */
  async #reach(endpoint: Endpoint): Promise<(Node & { readonly lost: AbortController }) | null> {
    const { target } = this.#options;
    let client: EventStoreDBClient | null = null;
    try {
      // The certificate files are read for each client, and may be missing at times.
      client = clientOf(target.at(endpoint));
      const lost = new AbortController();
      const node = { client, endpoint, lost, gone: lost.signal };
      insideOf(client).handleError = async (_stubs, error) => this.#broke(node, error);
      const members = await membersBy(client, target.gossipTimeoutMs);
      if (target.preference !== 'leader' || members === null || leaderAmong(members)) return node;
      this.#reason = `${nameOf(endpoint)} knows no leader`;
    } catch (error) {
      this.#reason = `${nameOf(endpoint)}: ${messageOf(error)}`;
    }
    if (client) closeChannel(client);
    return null;
  }

  #take(node: Node & { readonly lost: AbortController }): void {
    const { log, clock } = this.#options;
    const missingForMs = Math.round(clock.monotonicMs() - this.#sinceMs);
    this.#node = node;
    this.#missed = 0;
    this.#asking.forget();
    this.#reaching.forget((other) => closeChannel(other.client));
    this.#sinceMs = clock.monotonicMs();
    if (this.#toldMs !== Number.NEGATIVE_INFINITY)
      log.info(`the event store has a ${this.#what}`, { node: nameOf(node.endpoint), missingForMs });
    this.#toldMs = Number.NEGATIVE_INFINITY;
    this.#wake();
  }

  /** A call to the node failed. */
  #broke(node: Node, error: unknown): void {
    if (node !== this.#node || !losesNode(error)) return;
    this.#named = leaderNamedIn(error);
    this.#lose(this.#node, `${nameOf(node.endpoint)}: ${messageOf(error)}`);
  }

  /** Calls on the connection continue, unless the node does not answer any more. */
  #lose(node: Node & { readonly lost: AbortController }, reason: string, silent = false): void {
    if (node !== this.#node) return;
    this.#node = null;
    this.#sinceMs = this.#options.clock.monotonicMs();
    this.#reason = reason;
    if (silent) {
      node.lost.abort();
      void node.client.dispose().catch(() => undefined);
    }
    closeChannel(node.client);
    void this.#search();
  }

  #found(leftMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        callOff();
        signal?.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      const callOff = leftMs === Infinity ? () => undefined : this.#options.clock.after(leftMs, done);
      signal?.addEventListener('abort', done);
      this.#waiting.add(done);
    });
  }

  #wake(): void {
    for (const done of this.#waiting) done();
  }

  get #what(): string {
    return this.#options.target.preference === 'leader' ? 'leader' : 'node to subscribe at';
  }

  #none(): string {
    return `the event store has had no ${this.#what} for ${Math.round((this.#options.clock.monotonicMs() - this.#sinceMs) / 100) / 10} s (${this.#reason})`;
  }

  #tell(): void {
    const { clock, log, target } = this.#options;
    if (clock.monotonicMs() - this.#toldMs < TELL_EVERY_MS) return;
    this.#toldMs = clock.monotonicMs();
    log.warn(`the event store has no ${this.#what} that answers: waiting for one`, {
      nodes: target.seeds.map(nameOf),
      forMs: Math.round(clock.monotonicMs() - this.#sinceMs),
      reason: this.#reason,
    });
  }
}

const nameOf = ({ host, port }: Endpoint): string => `${host}:${port}`;

/** Throws the client's error for an unusable string. */
function clientOf(connectionString: string): EventStoreDBClient {
  const client = EventStoreDBClient.connectionString(connectionString);
  insideOf(client).handleError = async () => undefined;
  return client;
}

/** The client leaves its channel open, and with it a socket. Nobody else uses this client. */
function closeChannel(client: EventStoreDBClient): void {
  void insideOf(client)
    .getChannel()
    .then((channel) => channel.close())
    .catch(() => undefined);
}

export const closedError = (): StoreUnavailable => new StoreUnavailable('the log is closed');
