import { createServer, type Server } from 'node:http';
import type { Metadata } from '@grpc/grpc-js';
import { systemClock } from '@nva/ports';
import { Seeded } from '../../libs/event-log/src/testing/seeded.ts';
import { noLeaderInfo, notLeader, type Failure } from './faults.ts';
import { demandsLeader, type Member, type NodeState } from './roles.ts';
import { StandIn } from './stand-in.ts';

/** A node that was not heard of for so long is dead to the others. */
const DEAD_AFTER_MS = 1_000;
const TICK_MS = 20;
/** The part of an election in which it is known who will lead, and not yet done. */
const PRE_MS = 150;
/** Header of what a node passes on: the term in which it takes itself for the leader. */
export const TERM_HEADER = 'stand-in-term';

/** What the majority agrees on. */
export interface View {
  /** Grows with each leader, over restarts too. */
  readonly term: number;
  readonly members: readonly Member[];
  /**
   * Elections that were held, the first one of a start included, and how long the last one took: from when the leader was taken for
   * dead.
   */
  readonly elections: number;
  readonly lastElectionMs: number;
}

export interface MajorityOptions {
  readonly directory: string;
  /** Where nodes tell that they live, and are told what is agreed on. */
  readonly port: number;
  /** Where they pass calls on to. */
  readonly logPort: number;
  /** The ports of all nodes. */
  readonly nodes: readonly number[];
  /** How long an election takes. */
  readonly electionMs: readonly [least: number, most: number];
  readonly seed: number;
}

/**
 * What a majority of three nodes is to each of them: the log that they have in common, and who leads. Nodes are processes of their
 * own that pass on to it what they take (`ClusterNode`), so that one can be killed or stopped at any moment. An append is
 * acknowledged only while its node is the leader of the present term and a majority lives; so a leader that was stopped, goes on
 * and does not know of its successor acknowledges nothing.
 */
export class Majority {
  readonly #options: MajorityOptions;
  readonly #log: StandIn;
  readonly #http: Server;
  readonly #heardMs = new Map<number, number>();
  readonly #random: Seeded;
  readonly #ticking: NodeJS.Timeout;
  #leader: number | null = null;
  #term = systemClock.wallMs();
  #election: { readonly sinceMs: number; readonly forMs: number } | null = null;
  #elections = 0;
  #lastElectionMs = 0;

  private constructor(options: MajorityOptions, log: StandIn) {
    this.#options = options;
    this.#log = log;
    this.#random = new Seeded(options.seed);
    log.faults.denial = (headers) => this.#denial(headers);
    this.#http = createServer((request, response) => {
      const from = Number(new URL(request.url!, 'http://majority').searchParams.get('node'));
      if (options.nodes.includes(from)) this.#heardMs.set(from, performance.now());
      response.setHeader('content-type', 'application/json').end(JSON.stringify(this.view));
    });
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
  }

  static async start(options: MajorityOptions): Promise<Majority> {
    const log = await StandIn.start({ directory: options.directory, port: options.logPort });
    const majority = new Majority(options, log);
    await new Promise<void>((resolve, reject) => {
      majority.#http.once('error', reject);
      majority.#http.listen(options.port, '127.0.0.1', resolve);
    });
    return majority;
  }

  get view(): View {
    const states = this.#options.nodes.map((port): Member => ({ port, state: this.#stateOf(port), alive: this.#lives(port) }));
    return { term: this.#term, members: states, elections: this.#elections, lastElectionMs: this.#lastElectionMs };
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticking);
    this.#http.closeAllConnections();
    this.#http.close();
    await this.#log.stop();
  }

  #lives(port: number): boolean {
    return performance.now() - (this.#heardMs.get(port) ?? Number.NEGATIVE_INFINITY) < DEAD_AFTER_MS;
  }

  #tick(): void {
    const { nodes, electionMs } = this.#options;
    const alive = nodes.filter((port) => this.#lives(port));
    const majority = alive.length * 2 > nodes.length;
    if (this.#leader !== null && majority && alive.includes(this.#leader)) return;
    if (this.#leader !== null) {
      this.#leader = null;
      this.#term++;
    }
    // Without a majority an election ends with nobody.
    if (!majority) this.#election = null;
    else if (!this.#election) {
      const [least, most] = electionMs;
      this.#election = { sinceMs: performance.now(), forMs: least + this.#random.below(most - least + 1) };
    } else if (performance.now() - this.#election.sinceMs >= this.#election.forMs) {
      this.#lastElectionMs = Math.round(performance.now() - this.#election.sinceMs);
      this.#election = null;
      this.#elections++;
      this.#term++;
      this.#leader = alive[this.#random.below(alive.length)]!;
    }
  }

  #stateOf(port: number): NodeState {
    if (this.#leader !== null) return port === this.#leader ? 'leader' : 'follower';
    const { nodes } = this.#options;
    if (this.#election && performance.now() - this.#election.sinceMs > this.#election.forMs - PRE_MS)
      return nodes.indexOf(port) % 2 === 0 ? 'pre-replica' : 'catching-up';
    return 'unknown';
  }

  /** Of what a node has passed on. */
  #denial(headers: Metadata): Failure | null {
    if (!demandsLeader(headers)) return null;
    this.#tick();
    if (this.#leader === null) return noLeaderInfo();
    return Number(headers.get(TERM_HEADER)[0]) === this.#term ? null : notLeader({ host: '127.0.0.1', port: this.#leader });
  }
}
