import type { CsvField } from '@nva/codec';
import { Option, type Command } from 'commander';
import { NvaClient } from './api/client.ts';
import { targetOf, type TargetOptions } from './config/target.ts';
import { EXIT, Failure, wrongUsage } from './exit-codes.ts';
import { write, type Io } from './io.ts';
import { csvNames, csvRows, FORMATS, json, jsonLine, yaml, type Format } from './output/formats.ts';
import { Paint } from './output/paint.ts';
import { GrowingTable, type Column } from './output/table.ts';
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

/** Items that JSON and YAML have altogether. */
const MAX_COLLECTED = 1_000_000;
/** The commands that have one table to show, for which there is CSV. */
const WITH_TABLE = new Set(['get', 'apply', 'watch', 'explain', 'reachability', 'diff', 'timeline', 'what-if', 'replay', 'top', 'list']);

/** A list that a command shows: by columns for people, by fields for programs. */
export interface Listing<T> {
  readonly columns: readonly Column<T>[];
  readonly fields: readonly CsvField<T>[];
  readonly name: (item: T) => string;
}

/** The table in what a command shows. */
export interface Rows<T> {
  readonly fields: readonly CsvField<T>[];
  readonly items: readonly T[];
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
    // Before anything is done.
    if (this.format === 'csv' && !WITH_TABLE.has(command.name()))
      throw wrongUsage(`${command.name()} shows no table: there is no CSV of it`);
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

  /** For programs: nothing else may stand in the output. */
  get isData(): boolean {
    return this.format !== 'table' && this.format !== 'wide';
  }

  out(text: string): Promise<void> {
    return write(this.io.stdout, text);
  }

  /** A line for people, beside the output. */
  say(text: string): void {
    this.io.stderr.write(`nvactl: ${visible(text)}\n`);
  }

  /**
   * Prints a value in the form that was asked for. `names` are the lines of `-o name`, `text` what people read, `rows` the table that is in
   * it, for `-o csv`.
   */
  async show<T>(value: unknown, names: () => readonly string[], text: () => string, rows?: Rows<T>): Promise<void> {
    switch (this.format) {
      case 'json':
        return this.out(json(value));
      case 'ndjson':
        return this.out(jsonLine(value));
      case 'yaml':
        return this.out(yaml(value));
      case 'csv':
        return this.out(this.#rendered(() => csvNames(rows!.fields) + csvRows(rows!.fields, rows!.items)));
      case 'name':
        return this.out(this.#rendered(() => this.#lines(names())));
      default:
        return this.out(this.#rendered(text));
    }
  }

  /**
   * Prints a list as it comes, batch by batch, and gives the number of its items. `whole`: what JSON and YAML have, which are printed at
   * the end.
   */
  async list<T>(batches: AsyncIterable<readonly T[]>, listing: Listing<T>, whole: (items: readonly T[]) => unknown): Promise<number> {
    const { fields, columns, name } = listing;
    const shown = new GrowingTable(
      columns.filter(({ wide }) => !wide || this.format === 'wide'),
      this.paint,
    );
    const print: Readonly<Record<Exclude<Format, 'json' | 'yaml'>, (items: readonly T[]) => string>> = {
      ndjson: (items) => items.map(jsonLine).join(''),
      csv: (items) => csvRows(fields, items),
      name: (items) => this.#lines(items.map(name)),
      wide: (items) => shown.rows(items),
      table: (items) => shown.rows(items),
    };
    const { format } = this;
    if (format === 'csv') await this.out(csvNames(fields));
    const kept: T[] = [];
    let count = 0;
    for await (const items of batches) {
      count += items.length;
      if (format !== 'json' && format !== 'yaml') {
        if (items.length > 0) await this.out(this.#rendered(() => print[format](items)));
      } else if (count > MAX_COLLECTED)
        throw new Failure(EXIT.refused, `there are more than ${MAX_COLLECTED}: ask for fewer, or with -o ndjson`);
      else for (const item of items) kept.push(item);
    }
    if (format === 'json' || format === 'yaml') await this.out((format === 'json' ? json : yaml)(whole(kept)));
    // An empty table has titles.
    else if (count === 0 && (format === 'table' || format === 'wide')) await this.out(shown.rows([]));
    return count;
  }

  #lines(names: readonly string[]): string {
    return names.map((name) => `${visible(name)}\n`).join('');
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

/** One batch, of what is at hand. */
export async function* batch<T>(items: readonly T[]): AsyncGenerator<readonly T[], void> {
  yield items;
}
