import { Option, type Command } from 'commander';
import { NvaClient } from './api/client.ts';
import { targetOf, type TargetOptions } from './config/target.ts';
import { EXIT, Failure, wrongUsage } from './exit-codes.ts';
import { write, type Io } from './io.ts';
import { FORMATS, json, yaml, type Format } from './output/formats.ts';
import { Paint } from './output/paint.ts';
import { visible } from './output/visible.ts';

interface GlobalOptions extends TargetOptions {
  readonly output?: Exclude<Format, 'table'>;
  readonly timeout: number;
}

export function addGlobalOptions(program: Command): Command {
  return program
    .option('--server <url>', 'address of the NVA (NVACTL_SERVER)')
    .option('--token-file <file>', 'file with the token (NVACTL_TOKEN has the token itself)')
    .option('--context <name>', 'a context of the configuration file, instead of the one in use')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(FORMATS))
    .option('--timeout <seconds>', 'how long to wait for the beginning of an answer', (text) => wholeNumber(text, 1, 3_600), 60);
}

/** A whole number of an option or argument. Throws a Failure. */
export function wholeNumber(text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d{1,15}$/.test(text) || value < least || value > most)
    throw wrongUsage(`${JSON.stringify(text)} is no whole number from ${least} to ${most}`);
  return value;
}

/** What one run of a command works with: whom it asks, and how it prints. */
export class Session {
  readonly io: Io;
  readonly format: Format;
  readonly paint: Paint;
  readonly #options: GlobalOptions;
  #client: NvaClient | undefined;

  constructor(command: Command, io: Io) {
    this.io = io;
    this.#options = command.optsWithGlobals<GlobalOptions>();
    this.format = this.#options.output ?? 'table';
    this.paint = new Paint(io.stdout, io.env);
  }

  /** Reads context, environment and options when it is first asked for. */
  get client(): NvaClient {
    this.#client ??= new NvaClient({ ...targetOf(this.#options, this.io), timeoutMs: this.timeoutMs }, this.io);
    return this.#client;
  }

  get timeoutMs(): number {
    return this.#options.timeout * 1_000;
  }

  get isData(): boolean {
    return this.format === 'json' || this.format === 'yaml';
  }

  out(text: string): Promise<void> {
    return write(this.io.stdout, text);
  }

  /** A line for people, beside the output. */
  say(text: string): void {
    this.io.stderr.write(`nvactl: ${visible(text)}\n`);
  }

  /** Prints a value in the form that was asked for. `names` are the lines of `-o name`, `text` what people read. */
  async show(value: unknown, names: () => readonly string[], text: () => string): Promise<void> {
    if (this.format === 'json') return this.out(json(value));
    if (this.format === 'yaml') return this.out(yaml(value));
    return this.out(
      this.#rendered(
        this.format === 'name'
          ? () =>
              names()
                .map((name) => `${visible(name)}\n`)
                .join('')
          : text,
      ),
    );
  }

  /** An answer that lacks what every NVA answers is the server's fault. */
  #rendered(text: () => string): string {
    try {
      return text();
    } catch (cause) {
      if (cause instanceof TypeError)
        throw new Failure(EXIT.unreachable, `${this.client.server} does not answer as an NVA: ${cause.message}`, { cause });
      throw cause;
    }
  }
}
