import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Member, NodeState } from './roles.ts';
import { StandIn } from './stand-in.ts';

/** What the nodes are in while nobody leads. */
const ELECTING: readonly NodeState[] = ['unknown', 'pre-replica', 'catching-up'];

/** Three nodes in this process, over one log, whose elections are held by the test. */
export class Trio {
  readonly nodes: readonly StandIn[];
  readonly #directory: string;

  private constructor(directory: string, nodes: readonly StandIn[]) {
    this.#directory = directory;
    this.nodes = nodes;
  }

  /** The first leads. */
  static async start(): Promise<Trio> {
    const directory = mkdtempSync(join(tmpdir(), 'nva-trio-'));
    const first = await StandIn.start({ directory });
    const trio = new Trio(directory, [
      first,
      await StandIn.start({ directory, log: first.log }),
      await StandIn.start({ directory, log: first.log }),
    ]);
    trio.elect(0);
    return trio;
  }

  get url(): string {
    return `esdb://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}?tls=false`;
  }

  nameOf(node: number): string {
    return `127.0.0.1:${this.nodes[node]!.port}`;
  }

  /** Makes one the leader of the others; null begins an election, in which nobody is leader or follower. */
  elect(leader: number | null): void {
    const members = this.nodes.map(({ port }, i): Member => ({
      port,
      state: leader === null ? ELECTING[i]! : i === leader ? 'leader' : 'follower',
    }));
    for (const node of this.nodes) node.members = members;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes.toReversed()) await node.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
