import { csvFields, type CsvField } from '@nva/codec';
import { Argument, type Command } from 'commander';
import { part, Refused } from '../api/client.ts';
import { FeedState, followFeed, type FeedChange, type FeedMessage, type FeedRecord } from '../api/feed.ts';
import { EXIT, Failure } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { csvNames, csvRows, jsonLine, yaml } from '../output/formats.ts';
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

interface ShownRecord extends FeedRecord {
  readonly feed: string;
  readonly sign: FeedChange['sign'] | '=';
}

const WORDS: Readonly<Record<ShownRecord['sign'], string>> = { '=': 'present', '+': 'added', '~': 'changed', '-': 'removed' };
const RECORD_FIELDS: readonly CsvField<ShownRecord>[] = [
  ...csvFields<ShownRecord>('feed'),
  ['change', ({ sign }) => WORDS[sign]],
  ...csvFields<ShownRecord>('key', 'position', 'eventType', 'value'),
];
const recentOf = (feed: string, sign: string, { key, position, eventType = '' }: FeedRecord): Recent => ({
  sign,
  text: `${position} ${feed}/${key} ${eventType}`,
  place: `${feed} ${key}`,
});

interface Options {
  readonly once?: true;
  readonly count?: number;
}

export function addWatch(program: Command, io: Io): void {
  program
    .command('watch')
    .summary('follow the table of a VN or an NVE')
    .description(
      `Follow the table of a VN, or the VNs of an NVE with their tables (of the first ${MAX_FOLLOWED}), over the feeds of the NVA. On a terminal it is a table that changes; in a pipe, and with -o json, ndjson or csv, a line for each change. It goes on until Ctrl-C, also while the NVA cannot be reached: when it can, it says what was missed.`,
    )
    .addArgument(new Argument('<kind>', 'what to follow').choices(['vn', 'nve']))
    .argument('<id>', 'VNID or NVE id')
    .option('--once', 'end when the present table is whole, and print it')
    .option('--count <changes>', 'end after so many changes', (text) => wholeNumber(text, 1, MAX_COUNT))
    .action((kind: 'vn' | 'nve', id: string, options: Options, command: Command) =>
      new Watch(new Session(command, io), kind, id, options).run(),
    );
}

interface Followed {
  readonly state: FeedState;
  readonly end: AbortController;
  /** Since when the NVA does not tell what is; null while it does. */
  brokenSinceMs: number | null;
}

interface Recent {
  readonly sign: string;
  readonly text: string;
  /** The record that changed. */
  readonly place: string | null;
}

/** What a table has missed while the NVA could not be read: the difference of then and now. */
export function gapText(feed: string, ms: number, changes: readonly FeedChange[], isOtherLog: boolean): string {
  const parts = (['+', '~', '-'] as const).flatMap((sign, i) => {
    const count = changes.filter((change) => change.sign === sign).length;
    return count === 0 ? [] : [`${count} ${['added', 'changed', 'removed'][i]}`];
  });
  const log = isOtherLog ? ' of another log' : '';
  return `${feed}${log} is live again after ${Math.max(1, Math.round(ms / 1_000))} s; missed: ${parts.join(', ') || 'nothing'}`;
}

/** The feeds that are followed: that of a VN; or that of an NVE, and those of the VNs that it is in. */
class Watch {
  readonly #session: Session;
  readonly #root: string;
  readonly #options: Options;
  /** On a terminal: a table that changes. */
  readonly #live: boolean;
  readonly #feeds = new Map<string, Followed>();
  readonly #ended = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** What ended it: a Failure, or a defect. */
  #failure: unknown = null;
  /** The last changes and interruptions, for the terminal. */
  #recent: readonly Recent[] = [];
  #counted = 0;
  #wake: () => void = () => undefined;

  constructor(session: Session, kind: 'vn' | 'nve', id: string, options: Options) {
    this.#session = session;
    this.#root = `${kind}/${id}`;
    this.#options = options;
    this.#live = session.io.stdout.isTTY === true && !session.isData && !options.once;
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
    const followed: Followed = { state: new FeedState(), end: new AbortController(), brokenSinceMs: null };
    this.#feeds.set(feed, followed);
    const [kind, id] = feed.split(/\/(.*)/s) as [string, string];
    const task = this.#read(feed, followed, `/v1/${kind}s/${part(id)}/feed`);
    this.#running.add(task);
    void task.finally(() => this.#running.delete(task));
  }

  async #read(feed: string, followed: Followed, path: string): Promise<void> {
    const signal = AbortSignal.any([followed.end.signal, this.#ended.signal]);
    const isRoot = feed === this.#root;
    try {
      // The feed of a VN may not be there yet where its NVE has just come into it.
      const isPatient = !isRoot && !this.#options.once;
      for await (const message of followFeed(this.#session.client, path, this.#session.io, { signal, isPatient })) {
        if (signal.aborted) return;
        await this.#take(feed, followed, message);
      }
    } catch (error) {
      if (signal.aborted) return;
      // A VN that is deleted or left while an NVE is watched is no fault: its membership ends too.
      if (!isRoot && error instanceof Refused && (error.status === 404 || error.status === 403)) this.#feeds.delete(feed);
      else this.#failure ??= error;
      this.#wake();
    }
  }

  /** In a pipe, whoever reads it decides how fast the feed is read. */
  async #take(feed: string, followed: Followed, message: FeedMessage): Promise<void> {
    const { state } = followed;
    const { clock } = this.#session.io;
    const before = state.whole;
    const changes = state.apply(message);
    if (message.kind === 'broken') followed.brokenSinceMs ??= clock.monotonicMs();
    const present = state.whole && !before ? [...state.records.values()].map((record) => ({ sign: '=' as const, record })) : [];
    if (feed === this.#root && this.#root.startsWith('nve/')) this.#memberships(state);
    if (followed.brokenSinceMs !== null && state.live) {
      if (before) this.#tell(gapText(feed, clock.monotonicMs() - followed.brokenSinceMs, changes, state.isOtherLog));
      followed.brokenSinceMs = null;
    }
    if (this.#live) this.#note(changes.map(({ sign, record }) => recentOf(feed, sign, record)));
    else if (!this.#options.once) for (const change of [...present, ...changes]) await this.#line(feed, change);
    if (!this.#live && message.kind === 'broken') this.#session.say(`${feed}: ${message.reason}; trying again`);
    if (this.#live) this.#counted += changes.length;
    this.#wake();
  }

  #tell(text: string): void {
    if (this.#live) this.#note([{ sign: '!', text, place: null }]);
    else this.#session.say(text);
  }

  #note(recent: readonly Recent[]): void {
    this.#recent = [...this.#recent, ...recent.slice(-CHANGES_SHOWN)].slice(-CHANGES_SHOWN);
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
    if (this.#session.format === 'csv' && !this.#options.once) await this.#session.out(csvNames(RECORD_FIELDS));
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
    if (format === 'json' || format === 'ndjson') return this.#session.out(jsonLine({ feed, sign, ...record }));
    if (format === 'csv') return this.#session.out(csvRows(RECORD_FIELDS, [{ feed, sign, ...record }]));
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
    if (this.#session.format === 'ndjson') return this.#session.out(records.map(jsonLine).join(''));
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
      { items: records.map((record): ShownRecord => ({ sign: '=', ...record })), fields: RECORD_FIELDS },
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
    const broken = [...this.#feeds.values()].map(({ state }) => state.broken).find((reason) => reason !== null) ?? null;
    const state =
      broken === null ? ([...this.#feeds.values()].every((one) => one.state.live) ? 'live' : 'reading') : `broken: ${broken}; trying again`;
    const head: ScreenLine[] = [
      {
        text: visible(`${this.#root} at ${client.server}, position ${root.position}, ${state}`),
        paint: broken === null ? paint.heading : paint.bad,
      },
      { text: '' },
    ];
    const changed = new Set(this.#recent.map(({ place }) => place));
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
    const recent = this.#recent.map(({ sign, text }): ScreenLine => ({
      text: visible(`${sign} ${text}`),
      paint: (plainText) => (sign === '!' ? paint.warn(plainText) : paint.sign(sign, plainText)),
    }));
    const foot: ScreenLine[] = recent.length === 0 ? [] : [{ text: '' }, { text: 'Changes', paint: paint.heading }, ...recent];
    const room = Math.max(0, rows - head.length - foot.length - 1);
    const more: ScreenLine[] = body.length > room ? [{ text: `… and ${body.length - room} more lines`, paint: paint.dim }] : [];
    return [...head, ...body.slice(0, room), ...more, ...foot];
  }
}
