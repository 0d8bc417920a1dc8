import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort, tethered, until } from '@nva/processes';
import { root } from './files.ts';
import type { Block } from './documents.ts';

const NVA_PORT = 3_000;
const BROKER = '127.0.0.1:9092';
const EVENT_STORE_PORT = 2_113;
/** Not to be seen from the folder of a page. */
const HIDDEN = new Set(['data', '.git', '.cache']);
const BUILD = 'npm run --silent build && ';

/** Of Server-Sent Events; how many come is a matter of time. */
const KEEP_ALIVE = /^: keep-alive\n/gm;

/** What goes on until somebody ends it, and from what on it can be used. Each needs a terminal of its own. */
export const LONG_RUNNING: readonly (readonly [command: RegExp, ready: (page: Page, shown: string) => Promise<boolean> | boolean])[] = [
  [/\bnpm start(?! -- accept-loss)/, (page) => page.isReady()],
  [/\bcurl -sN/, (_, shown) => shown !== ''],
  [/\bnpm run kafka\b/, (_, shown) => shown.includes('Kafka is ready')],
  [/\bnpm run follow\b/, (_, shown) => shown !== ''],
  [/\bnpm run cluster\b/, (_, shown) => shown.includes('Ctrl-C ends it all')],
  [/\btest\/eventstore\/start\.ts/, (_, shown) => shown !== ''],
];

/** What is typed into one page: its folder, its terminals, and the ports that stand for those that it names. */
export class Page {
  readonly #directory = mkdtempSync(join(tmpdir(), 'nva-page-'));
  readonly #terminals = new Map<string, Terminal>();
  readonly #ports: ReadonlyMap<number, number>;
  readonly #brokers: string | null;

  private constructor(ports: ReadonlyMap<number, number>, brokers: string | null) {
    this.#ports = ports;
    this.#brokers = brokers;
    for (const entry of readdirSync(root)) if (!HIDDEN.has(entry)) symlinkSync(join(root, entry), join(this.#directory, entry));
    mkdirSync(join(this.#directory, '.bin'));
  }

  /** `brokers` are those that stand for 127.0.0.1:9092, and for those that `npm run kafka` would start. */
  static async open(brokers: string | null): Promise<Page> {
    const ports = new Map([
      [NVA_PORT, await freePort()],
      [EVENT_STORE_PORT, await freePort()],
    ]);
    const page = new Page(ports, brokers);
    page.#writeNpm();
    return page;
  }

  async run({ terminal: name, lines }: Block): Promise<void> {
    const command = lines.join('\n');
    await this.#terminals.get(name)?.interrupt();
    const terminal = new Terminal(this.#directory, name, this.translated(command), this.#environment());
    this.#terminals.set(name, terminal);
    const ready = LONG_RUNNING.find(([pattern]) => pattern.test(command))?.[1];
    if (!ready) return terminal.finished();
    if (name === '') throw new Error(`«${command}» goes on until it is ended, and needs a terminal of its own: \`\`\`sh <name>`);
    await until(`«${command}» can be used`, async () => {
      terminal.assertRunning();
      return (await ready(this, terminal.output)) ? null : terminal.said;
    });
  }

  /** Resolves when the terminal shows this next. */
  async shows({ terminal: name, lines }: Block): Promise<void> {
    const terminal = this.#terminals.get(name);
    if (!terminal) throw new Error(`nothing was typed into the terminal «${name}»`);
    const pattern = patternOf(lines.map((line) => this.translated(line)));
    await until(`«${lines.join('\n')}» is shown`, () => {
      if (terminal.take(pattern)) return null;
      if (terminal.closed) throw new Error(`it has ended, and has shown\n${terminal.unread}\n${terminal.errors}`);
      return `this is shown:\n${terminal.unread}\n${terminal.errors}`;
    });
  }

  async isReady(): Promise<boolean> {
    const answer = await fetch(`http://127.0.0.1:${this.#ports.get(NVA_PORT)}/readyz`).catch(() => null);
    await answer?.body?.cancel();
    return answer?.ok ?? false;
  }

  /** With the ports of this page. */
  translated(text: string): string {
    let translated = text.replaceAll(BROKER, this.#brokers ?? BROKER);
    for (const [shown, real] of this.#ports)
      translated = translated
        .replaceAll(`127.0.0.1:${shown}`, `127.0.0.1:${real}`)
        .replaceAll(`${shown}/tcp`, `${real}/tcp`)
        .replaceAll(`--port ${shown}`, `--port ${real}`);
    return translated;
  }

  async close(): Promise<void> {
    for (const terminal of [...this.#terminals.values()].toReversed()) await terminal.interrupt();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #environment(): NodeJS.ProcessEnv {
    const { KAFKA_BROKERS: _, NODE_OPTIONS: __, ...inherited } = process.env;
    return {
      ...inherited,
      PATH: [join(this.#directory, '.bin'), join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter),
      PORT: String(this.#ports.get(NVA_PORT)),
      // A broker may be shared with other tests.
      FEED_PREFIX: `page${this.#ports.get(NVA_PORT)}`,
    };
  }

  /**
   * The npm of a page: a script of package.json is run as npm does, but on what is built already; `npm ci` looks whether the lock file
   * would install what package.json wants; `npm run kafka` stands for the broker of this test run; `npm run cluster` is smaller.
   */
  #writeNpm(): void {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    const run = (command: string): string => (/[;&|$]/.test(command) ? `${command} "$@"` : `exec ${TETHER}${command} "$@"`);
    const cases = Object.entries({
      ...scripts,
      cluster: 'node --conditions=source test/project/small-cluster.ts',
      ...(this.#brokers !== null && {
        kafka: `echo 'Kafka is ready: KAFKA_BROKERS=${this.#brokers} (pid 0, Ctrl-C ends it)'; exec ${TETHER}sleep infinity #`,
      }),
    }).map(([name, script]) => `${name}) ${run(script.replace(BUILD, ''))}\n;;`);
    const lines = [
      '#!/bin/bash',
      `if [ "$1" = ci ]; then cd '${root}' && PATH="\${PATH#*:}" exec npm ci --dry-run --ignore-scripts --offline --loglevel=error >&2; fi`,
      'if [ "$1" = run ]; then shift; fi',
      'if [ "$1" = --silent ]; then shift; fi',
      'script=$1; shift; if [ "$1" = -- ]; then shift; fi',
      'case "$script" in',
      ...cases,
      '*) echo "there is no script $script" >&2; exit 1 ;;',
      'esac',
    ];
    writeFileSync(join(this.#directory, '.bin/npm'), `${lines.join('\n')}\n`, { mode: 0o755 });
  }
}

/** What is typed into a terminal is ended with this process, however that ends. */
const TETHER = ((): string => {
  const [command, args] = tethered('', []);
  return command === '' ? '' : `${[command, ...args.slice(0, -1)].join(' ')} `;
})();

/** One command line at a time, in a process group of its own, as a terminal has it. */
class Terminal {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #closed = false;
  /** Of this command line. */
  output = '';
  errors = '';
  /** Shown, and not compared with anything yet. */
  unread = '';

  /** Variables stay from one command line to the next of the same name. */
  constructor(directory: string, name: string, text: string, env: NodeJS.ProcessEnv) {
    const session = `.session-${name}`;
    const script = `set -eo pipefail -a\n[ ! -f ${session} ] || . ./${session}\n${text}\nexport -p > ${session}\n`;
    this.#process = spawn(...tethered('bash', ['-c', script]), { cwd: directory, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process.stdout!.setEncoding('utf8').on('data', (piece: string) => {
      this.output += piece;
      this.unread += piece;
    });
    this.#process.stderr!.setEncoding('utf8').on('data', (piece: string) => (this.errors += piece));
    this.#ended = once(this.#process, 'close').then(() => (this.#closed = true));
  }

  /** Whether nothing more will be shown. */
  get closed(): boolean {
    return this.#closed;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  get said(): string {
    return `${this.output}\n${this.errors}`;
  }

  assertRunning(): void {
    if (!this.running) throw new Error(`it has ended with ${this.#process.exitCode ?? this.#process.signalCode}:\n${this.said}`);
  }

  /** Rejects unless it ends with 0. */
  async finished(): Promise<void> {
    await this.#ended;
    if (this.#process.exitCode !== 0) this.assertRunning();
  }

  /** Ctrl-C, if there is anything to end. */
  async interrupt(): Promise<void> {
    if (this.running) process.kill(-this.#process.pid!, 'SIGINT');
    await this.#ended;
  }

  /** Whether what is shown next is this; it is read then. */
  take(pattern: RegExp): boolean {
    this.unread = this.unread.replaceAll(KEEP_ALIVE, '');
    // A last line without an end is whole only when no more can come.
    if (this.#closed && !this.unread.endsWith('\n')) this.unread += '\n';
    const match = pattern.exec(this.unread);
    if (!match) return false;
    this.unread = this.unread.slice(match[0].length);
    return true;
  }
}

/** Lines as they come next, blank ones aside; «…» is anything within a line, and alone on a line any number of lines. */
function patternOf(lines: readonly string[]): RegExp {
  const parts = lines
    .filter((line) => line.trim() !== '')
    .map((line) =>
      line.trim() === '…'
        ? String.raw`(?:.*\n)*?`
        : `\\s*${line
            .trim()
            .split('…')
            .map((part) => RegExp.escape(part))
            .join('.*')}[ \\t]*\\n`,
    );
  return new RegExp(`^${parts.join('')}`);
}
