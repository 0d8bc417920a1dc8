import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { KafkaFeedTransport, type KafkaSasl, type LogLevel } from '@nva/kafka';
import { NveClient, type NveEvents } from '@nva/nve';
import type { FeedTransport } from '@nva/ports';
import { tethered } from '@nva/processes';
import { stateOf, type VnState } from './nve-state.ts';

export interface Feeds {
  readonly brokers: readonly string[];
  readonly prefix: string;
  /** As whom an NVE logs in, where brokers ask. */
  readonly sasl?: KafkaSasl;
}

/** An NVE that can be asked what it holds. */
export interface Nve {
  readonly nveId: string;
  state(): Promise<VnState[]>;
  close(): Promise<void>;
}

interface Logged {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The NVE library over Kafka within this process, and all that it told. */
export class LocalNve implements Nve {
  readonly nveId: string;
  readonly client: NveClient;
  readonly changes: NveEvents['change'][] = [];
  readonly joined: number[] = [];
  readonly left: number[] = [];
  readonly rejoined: number[] = [];
  readonly logged: Logged[] = [];
  readonly #transport: KafkaFeedTransport;

  /** `by`: the transport that it follows by, made of the real one. */
  constructor(feeds: Feeds, nveId: string, by: (transport: FeedTransport) => FeedTransport = (transport) => transport) {
    this.nveId = nveId;
    this.#transport = new KafkaFeedTransport({
      ...feeds,
      nveId,
      log: (level, message, fields = {}) => this.logged.push({ level, message, fields }),
    });
    this.client = new NveClient({ nveId, transport: by(this.#transport) });
    this.client.on('change', (change) => this.changes.push(change));
    this.client.on('joined', ({ vnid }) => this.joined.push(vnid));
    this.client.on('left', ({ vnid }) => this.left.push(vnid));
    this.client.on('rejoined', ({ vnid }) => this.rejoined.push(vnid));
    this.client.start();
  }

  /** Every entry that was taken away, so far. */
  get withdrawn(): string[] {
    return this.changes.flatMap(({ vnid, changes }) => changes.filter(({ after }) => after === null).map(({ key }) => `${vnid} ${key}`));
  }

  state(): Promise<VnState[]> {
    return Promise.resolve(stateOf(this.client));
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.#transport.close();
  }
}

/** The same in a process of its own, which can be stopped for a while as a machine is that sleeps. */
export class ChildNve implements Nve {
  readonly nveId: string;
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;

  constructor(feeds: Feeds, nveId: string, options: { readonly deleteRetentionMs?: number } = {}) {
    this.nveId = nveId;
    const argument = JSON.stringify({ ...options, ...feeds, nveId });
    this.#process = spawn(...tethered(process.execPath, ['--conditions=source', join(import.meta.dirname, 'nve-child.ts'), argument]), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#exited = once(this.#process, 'exit');
    this.#answers = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  async state(): Promise<VnState[]> {
    this.#process.stdin!.write('\n');
    const answer = await this.#answers.next();
    if (answer.done) throw new Error(`${this.nveId} has ended`);
    return JSON.parse(answer.value) as VnState[];
  }

  away(): void {
    this.#process.kill('SIGSTOP');
  }

  back(): void {
    this.#process.kill('SIGCONT');
  }

  async close(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exited;
  }
}
