import { Argument, type Command } from 'commander';
import { part } from '../api/client.ts';
import { FeedState, followFeed, type FeedChange, type FeedMessage } from '../api/feed.ts';
import { EXIT, Failure } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { jsonLine, yaml } from '../output/formats.ts';
import { Paint } from '../output/paint.ts';
import { Screen, type ScreenLine } from '../output/screen.ts';
import { lines, table } from '../output/table.ts';
import { visible } from '../output/visible.ts';
import { Session, wholeNumber } from '../session.ts';
import { recordText } from './history.ts';

/** So many VNs of an NVE are followed; the NVA bounds the streams of a caller. */
const MAX_FOLLOWED = 16;
const REDRAW_MS = 100;
const CHANGES_SHOWN = 8;
const MAX_COUNT = 1_000_000;

interface Options {
  readonly once?: true;
  readonly count?: number;
}

export function addWatch(program: Command, io: Io): void {
  program
    .command('watch')
    .summary('follow the table of a VN or an NVE')
    .description(
      `Follow the table of a VN, or the VNs of an NVE with their tables (of the first ${MAX_FOLLOWED}), over the feeds of the NVA. On a terminal it is a table that changes; in a pipe, and with -o json, a line for each change. It goes on until Ctrl-C.`,
    )
    .addArgument(new Argument('<kind>', 'what to follow').choices(['vn', 'nve']))
    .argument('<id>', 'VNID or NVE id')
    .option('--once', 'end when the present table is whole, and print it')
    .option('--count <changes>', 'end after so many changes', (text) => wholeNumber(text, 1, MAX_COUNT))
    .action((kind: 'vn' | 'nve', id: string, options: Options, command: Command) =>
      new Watch(new Session(command, io), kind, id, options).run(),
    );
}

/** The feeds that are followed: that of a VN; or that of an NVE, and those of the VNs that it is in. */
class Watch {
  readonly #session: Session;
  readonly #root: string;
  readonly #options: Options;
  /** On a terminal: a table that changes. */
  readonly #live: boolean;
  readonly #feeds = new Map<string, { readonly state: FeedState; readonly end: AbortController }>();
  readonly #ended = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** What ended it: a Failure, or a defect. */
  #failure: unknown = null;
  /** The last ones, for the terminal. */
  #changes: readonly { readonly feed: string; readonly change: FeedChange }[] = [];
  #counted = 0;
  #wake: () => void = () => undefined;

  constructor(session: Session, kind: 'vn' | 'nve', id: string, options: Options) {
    this.#session = session;
    this.#root = `${kind}/${id}`;
    this.#options = options;
    this.#live = session.io.stdout.isTTY === true && !session.isData && session.format !== 'name' && !options.once;
  }

  async run(): Promise<void> {
    const { io } = this.#session;
    const end = (): void => this.#ended.abort();
    io.signal.addEventListener('abort', end, { once: true });
    this.#follow(this.#root);
    try {
      await (this.#live ? this.#draw() : this.#print());
    } finally {
      io.signal.removeEventListener('abort', end);
      this.#ended.abort();
      await Promise.all(this.#running);
    }
    if (this.#failure && !this.#done) throw this.#failure;
    if (io.signal.aborted) throw new Failure(EXIT.interrupted, 'interrupted');
  }

  get #done(): boolean {
    const { once, count } = this.#options;
    if (count !== undefined && this.#counted >= count) return true;
    return once === true && [...this.#feeds.values()].every(({ state }) => state.whole);
  }

  get #over(): boolean {
    return this.#failure !== null || this.#ended.signal.aborted || this.#done;
  }

  #follow(feed: string): void {
    const state = new FeedState();
    const end = new AbortController();
    this.#feeds.set(feed, { state, end });
    const [kind, id] = feed.split(/\/(.*)/s) as [string, string];
    const path = `/v1/${kind}s/${part(id)}/feed`;
    const task = this.#read(feed, state, path, AbortSignal.any([end.signal, this.#ended.signal]));
    this.#running.add(task);
    void task.finally(() => this.#running.delete(task));
  }

  async #read(feed: string, state: FeedState, path: string, signal: AbortSignal): Promise<void> {
    try {
      for await (const message of followFeed(this.#session.client, path, this.#session.io, signal)) {
        if (signal.aborted) return;
        await this.#take(feed, state, message);
      }
    } catch (error) {
      if (signal.aborted) return;
      // A VN that is deleted or left while an NVE is watched is no fault: its membership ends too.
      if (feed === this.#root || !(error instanceof Failure)) this.#failure ??= error;
      else this.#feeds.delete(feed);
      this.#wake();
    }
  }

  /** In a pipe, whoever reads it decides how fast the feed is read. */
  async #take(feed: string, state: FeedState, message: FeedMessage): Promise<void> {
    const before = state.whole;
    const changes = state.apply(message);
    const present = state.whole && !before ? [...state.records.values()].map((record) => ({ sign: '=' as const, record })) : [];
    if (feed === this.#root && this.#root.startsWith('nve/')) this.#memberships(state);
    if (this.#live) this.#changes = [...this.#changes, ...changes.map((change) => ({ feed, change }))].slice(-CHANGES_SHOWN);
    else if (!this.#options.once) for (const change of [...present, ...changes]) await this.#line(feed, change);
    if (!this.#live && message.kind === 'broken') this.#session.say(`${message.reason}; trying again`);
    if (this.#live) this.#counted += changes.length;
    this.#wake();
  }

  /** Follows the VNs that the NVE is in, and no others. */
  #memberships(state: FeedState): void {
    if (!state.whole) return;
    for (const [feed, { end }] of this.#feeds) {
      if (feed === this.#root || state.records.has(feed)) continue;
      end.abort();
      this.#feeds.delete(feed);
    }
    for (const feed of state.records.keys()) {
      if (this.#feeds.size > MAX_FOLLOWED) return;
      if (feed.startsWith('vn/') && !this.#feeds.has(feed)) this.#follow(feed);
    }
  }

  /** Resolves when something has come, or it is over. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#ended.signal.removeEventListener('abort', done);
        resolve();
      };
      this.#wake = done;
      this.#ended.signal.addEventListener('abort', done, { once: true });
    });
  }

  async #print(): Promise<void> {
    while (!this.#over) await this.#news();
    if (this.#options.once && this.#done && !this.#failure) await this.#showOnce();
  }

  async #line(
    feed: string,
    { sign, record }: { readonly sign: FeedChange['sign'] | '='; readonly record: FeedChange['record'] },
  ): Promise<void> {
    if (this.#over) return;
    if (sign !== '=') this.#counted++;
    const { format, paint } = this.#session;
    const { key, value, position, eventType } = record;
    if (format === 'json') return this.#session.out(jsonLine({ feed, sign, ...record }));
    if (format === 'yaml') return this.#session.out(`---\n${yaml({ feed, sign, ...record })}`);
    if (format === 'name') return this.#session.out(`${visible(`${feed}/${key}`)}\n`);
    const place = this.#root.startsWith('nve/') ? [feed] : [];
    const what = value === null ? [] : [recordText(key, value)];
    return this.#session.out(
      lines([[{ text: sign, paint: (text) => paint.sign(sign, text) }, position, ...place, key, ...what, eventType ?? '']]),
    );
  }

  async #showOnce(): Promise<void> {
    const records = [...this.#feeds].flatMap(([feed, { state }]) => [...state.records.values()].map((record) => ({ feed, ...record })));
    await this.#session.show(
      { items: records },
      () => records.map(({ feed, key }) => `${feed}/${key}`),
      () =>
        table(
          records,
          [
            ...(this.#root.startsWith('nve/') ? [{ title: 'FEED', cell: ({ feed }: (typeof records)[number]) => feed }] : []),
            { title: 'KEY', cell: ({ key }) => key },
            { title: 'VALUE', cell: ({ key, value }) => recordText(key, value) },
            { title: 'POSITION', cell: ({ position }) => position },
          ],
          this.#session.paint,
        ),
    );
  }

  async #draw(): Promise<void> {
    const { io } = this.#session;
    using screen = new Screen(io);
    while (!this.#over) {
      const news = this.#news();
      screen.draw(this.#screen(screen.rows));
      await news;
      // What comes at once is drawn at once.
      await new Promise<void>((resolve) => void io.clock.after(REDRAW_MS, resolve));
    }
  }

  #screen(rows: number): readonly ScreenLine[] {
    const { paint, client } = this.#session;
    const root = this.#feeds.get(this.#root)!.state;
    const state = root.broken === null ? (root.whole ? 'live' : 'reading') : `broken: ${root.broken}; trying again`;
    const head: ScreenLine[] = [
      {
        text: visible(`${this.#root} at ${client.server}, position ${root.position}, ${state}`),
        paint: root.broken === null ? paint.heading : paint.bad,
      },
      { text: '' },
    ];
    const changed = new Set(this.#changes.map(({ feed, change }) => `${feed} ${change.record.key}`));
    const plain = new Paint({ isTTY: false }, {});
    const body = [...this.#feeds].flatMap(([feed, one]) => {
      const records = [...one.state.records.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
      const text = table(
        records,
        [
          { title: feed.toUpperCase(), cell: ({ key }) => key },
          { title: 'POSITION', cell: ({ position }) => position },
          { title: 'VALUE', cell: ({ key, value }) => recordText(key, value) },
        ],
        plain,
      );
      const [title = '', ...others] = text.split('\n').slice(0, -1);
      return [
        { text: title, paint: paint.heading },
        ...others.map((line, i): ScreenLine =>
          changed.has(`${feed} ${records[i]!.key}`) ? { text: line, paint: paint.warn } : { text: line },
        ),
      ];
    });
    const recent = this.#changes.map(({ feed, change: { sign, record } }): ScreenLine => ({
      text: visible(`${sign} ${record.position} ${feed}/${record.key} ${record.eventType ?? ''}`),
      paint: (text) => paint.sign(sign, text),
    }));
    const foot: ScreenLine[] = recent.length === 0 ? [] : [{ text: '' }, { text: 'Changes', paint: paint.heading }, ...recent];
    const room = Math.max(0, rows - head.length - foot.length - 1);
    const more: ScreenLine[] = body.length > room ? [{ text: `… and ${body.length - room} more lines`, paint: paint.dim }] : [];
    return [...head, ...body.slice(0, room), ...more, ...foot];
  }
}
