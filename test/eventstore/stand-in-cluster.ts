import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@nva/processes';
import { ManagedProcess } from '../cluster/managed-process.ts';
import type { View } from './majority.ts';
import { leaderAmong } from './roles.ts';

const START = join(import.meta.dirname, 'start-node.ts');
const NODES = 3;
const POLL_MS = 20;
const LEADER_LIMIT_MS = 90_000;

export interface StandInClusterOptions {
  /** The log's. */
  readonly data: string;
  /** Of the output of its processes. */
  readonly logs: string;
  readonly electionMs?: readonly [least: number, most: number];
  readonly seed?: number;
}

/**
 * The stand-in as a cluster of three nodes that hold elections, each a process that can be killed and stopped; and what a majority
 * of them has in common, which only `stop` ends.
 */
export class StandInCluster {
  readonly nodes: readonly ManagedProcess[];
  readonly url: string;
  readonly #ports: readonly number[];
  readonly #majority: ManagedProcess;
  readonly #majorityPort: number;

  private constructor(
    ports: readonly number[],
    [majorityPort, logPort]: readonly [number, number],
    { data, logs, electionMs = [1_000, 15_000], seed = 1 }: StandInClusterOptions,
  ) {
    const process = (name: string, args: readonly string[], ready: () => Promise<boolean>): ManagedProcess =>
      new ManagedProcess({ name, args: ['--conditions=source', START, ...args], env: {}, logFile: join(logs, `${name}.log`), ready });
    this.#ports = ports;
    this.#majorityPort = majorityPort;
    this.#majority = process(
      'event-store',
      [
        '--port',
        String(majorityPort),
        '--log',
        String(logPort),
        '--data',
        data,
        '--nodes',
        ports.join(','),
        '--elections',
        electionMs.join('-'),
        '--seed',
        String(seed),
      ],
      async () => (await this.#ask()) !== null,
    );
    this.nodes = ports.map((port, i) =>
      process(
        `event-store-${i + 1}`,
        ['--port', String(port), '--majority', String(majorityPort), '--log', String(logPort)],
        async () => (await this.#ask())?.members.some((member) => member.port === port && member.alive) ?? false,
      ),
    );
    this.url = `esdb://${ports.map((port) => `127.0.0.1:${port}`).join(',')}?tls=false`;
  }

  /** Resolves while the first election is held. */
  static async start(options: StandInClusterOptions): Promise<StandInCluster> {
    await mkdir(options.logs, { recursive: true });
    const ports = new Set<number>();
    while (ports.size < NODES + 2) ports.add(await freePort());
    const [majorityPort, logPort, ...nodes] = [...ports] as [number, number, ...number[]];
    const cluster = new StandInCluster(nodes, [majorityPort, logPort], options);
    cluster.start();
    await Promise.all([cluster.#majority, ...cluster.nodes].map((one) => one.ready()));
    return cluster;
  }

  /** All processes, those that run left as they are. */
  start(): void {
    for (const one of [this.#majority, ...this.nodes]) one.start();
  }

  /** Resolves when there is a leader. */
  async ready(): Promise<void> {
    await Promise.all([this.#majority, ...this.nodes].map((one) => one.ready()));
    await this.leader();
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.#majority.stop();
  }

  /** What is agreed on now. */
  async view(): Promise<View> {
    const view = await this.#ask();
    if (!view) throw new Error('the majority does not answer');
    return view;
  }

  /** The leader, once there is one: not the one of the term that is given. */
  async leader(after = 0): Promise<{ readonly process: ManagedProcess; readonly term: number }> {
    for (const giveUpAtMs = performance.now() + LEADER_LIMIT_MS; ; await sleep(POLL_MS)) {
      const view = await this.#ask();
      const leader = view && leaderAmong(view.members);
      if (leader && view.term > after) return { process: this.nodes[this.#ports.indexOf(leader.port)]!, term: view.term };
      if (performance.now() > giveUpAtMs) throw new Error(`no leader after ${LEADER_LIMIT_MS} ms: ${JSON.stringify(view)}`);
    }
  }

  async #ask(): Promise<View | null> {
    try {
      return (await (await fetch(`http://127.0.0.1:${this.#majorityPort}/`, { signal: AbortSignal.timeout(2_000) })).json()) as View;
    } catch {
      return null;
    }
  }
}
