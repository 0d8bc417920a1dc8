import { EventStreamParser } from '@nva/nve';
import { systemClock } from '@nva/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Refused } from '../src/api/client.ts';
import { FeedState, followFeed, readMessage, type FeedMessage } from '../src/api/feed.ts';
import { EXIT, Failure } from '../src/exit-codes.ts';

const record = (key: string, position: number, value: object | null = { key }): FeedMessage => ({
  kind: 'record',
  record: { key, value: value as never, position: String(position) },
});
const hello = (mode: 'snapshot' | 'resume', log = 'l'): FeedMessage => ({ kind: 'hello', mode, log });
const complete: FeedMessage = { kind: 'snapshot-complete' };
const shown = (state: FeedState): readonly string[] => [...state.records.keys()].toSorted();

/** The messages of a stream that arrives in the pieces given. */
function messagesOf(pieces: readonly string[]): readonly FeedMessage[] {
  const messages: FeedMessage[] = [];
  const parser = new EventStreamParser((event) => {
    const message = readMessage(event);
    if (message) messages.push(message);
  });
  for (const piece of pieces) parser.feed(piece);
  return messages;
}

describe('the stream of a feed', () => {
  const stream =
    'event: hello\ndata: {"log":"l","mode":"snapshot"}\n\n: keep-alive\n\nid: l/1\ndata: {"key":"context","value":{"name":"web"},"position":"1","eventType":"VnCreated"}\n\n' +
    'event: snapshot-complete\nid: l/1\ndata: {}\n\nevent: of-later\ndata: {}\n\nid: l/2\ndata: {"key":"context","value":null,"position":"2"}\n\n';
  const messages = [
    hello('snapshot'),
    { kind: 'record', record: { key: 'context', value: { name: 'web' }, position: '1', eventType: 'VnCreated' } },
    complete,
    { kind: 'record', record: { key: 'context', value: null, position: '2' } },
  ];

  it('is read the same, wherever it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 8 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
        expect(messagesOf(at.slice(1).map((end, i) => stream.slice(at[i]!, end)))).toEqual(messages);
      }),
    );
  });

  it.each([
    'data: no\n\n',
    'data: 1\n\n',
    'data: {"value":{},"position":"1"}\n\n',
    'data: {"key":"k","value":1,"position":"1"}\n\n',
    'event: hello\ndata: x\n\n',
  ])('is refused where no NVA sends %j', (text) => {
    expect(() => messagesOf([text])).toThrow('the feed has');
  });
});

describe('what a feed says', () => {
  it('is shown when its first snapshot is whole, and then by each change', () => {
    const state = new FeedState();
    for (const message of [hello('snapshot'), record('a', 1), record('b', 2)]) expect(state.apply(message)).toEqual([]);
    expect([state.whole, shown(state)]).toEqual([false, []]);
    expect(state.apply(complete)).toEqual([]);
    expect([state.whole, shown(state), state.position]).toEqual([true, ['a', 'b'], '2']);
    expect(state.apply(record('c', 3)).map(({ sign }) => sign)).toEqual(['+']);
    expect(state.apply(record('c', 4)).map(({ sign }) => sign)).toEqual(['~']);
    expect(state.apply(record('a', 5, null)).map(({ sign }) => sign)).toEqual(['-']);
    expect(state.apply(record('a', 6, null))).toEqual([]);
    expect([shown(state), state.position]).toEqual([['b', 'c'], '6']);
  });

  it('stays while the stream is broken, and what a new snapshot changed is told', () => {
    const state = new FeedState();
    for (const message of [hello('snapshot'), record('a', 1), record('b', 2), record('c', 3), complete]) state.apply(message);
    state.apply({ kind: 'broken', reason: 'gone' });
    expect([state.broken, shown(state)]).toEqual(['gone', ['a', 'b', 'c']]);
    for (const message of [hello('snapshot'), record('b', 2), record('c', 7), record('d', 8)]) expect(state.apply(message)).toEqual([]);
    expect(state.broken).toBeNull();
    expect(shown(state)).toEqual(['a', 'b', 'c']);
    expect(state.apply(complete).map(({ sign, record: { key } }) => sign + key)).toEqual(['-a', '~c', '+d']);
    state.apply({ kind: 'broken', reason: 'gone' });
    expect(state.live).toBe(false);
    // In between, a resumed table may be one that never was.
    for (const message of [hello('resume'), record('d', 9, null), record('e', 9)]) expect(state.apply(message)).toEqual([]);
    expect(shown(state)).toEqual(['b', 'c', 'd']);
    expect(state.apply(complete).map(({ sign, record: { key } }) => sign + key)).toEqual(['-d', '+e']);
    expect([shown(state), state.live]).toEqual([['b', 'c', 'e'], true]);
  });

  it('is not lost where a resume breaks too, and a snapshot that broke is forgotten', () => {
    const state = new FeedState();
    const broken: FeedMessage = { kind: 'broken', reason: 'gone' };
    for (const message of [hello('snapshot'), record('a', 1), broken, hello('snapshot'), record('b', 2), complete]) state.apply(message);
    expect(shown(state)).toEqual(['b']);
    for (const message of [broken, hello('resume'), record('c', 3), broken, hello('resume'), record('d', 4)]) state.apply(message);
    expect(shown(state)).toEqual(['b']);
    expect(state.apply(complete).map(({ sign, record: { key } }) => sign + key)).toEqual(['+c', '+d']);
    expect(shown(state)).toEqual(['b', 'c', 'd']);
  });

  it('of another log is compared by what it says, and has its own positions', () => {
    const state = new FeedState();
    for (const message of [hello('snapshot'), record('a', 70), record('b', 71), complete]) state.apply(message);
    for (const message of [hello('snapshot', 'm'), record('a', 3), record('b', 4, { key: 'other' })]) state.apply(message);
    expect(state.isOtherLog).toBe(true);
    expect(state.apply(complete).map(({ sign, record: { key } }) => sign + key)).toEqual(['~b']);
    expect(state.position).toBe('4');
  });
});

describe('a feed that is followed', () => {
  const once = async function* (text: string): AsyncGenerator<string, void> {
    yield text;
  };
  const snapshot = 'event: hello\ndata: {"log":"l","mode":"snapshot"}\n\nevent: snapshot-complete\nid: l/7\ndata: {}\n\n';
  const refused = (status: number, code: string): Refused => new Refused(status, { code, detail: code });

  /** What comes of streams and failures, one after the other, until there is no further one. */
  async function followed(
    streams: readonly (string | Error)[],
    isPatient = false,
  ): Promise<{ kinds: string[]; ids: (string | null)[]; end: unknown }> {
    const end = new AbortController();
    const clock = { ...systemClock, after: (_ms: number, done: () => void) => systemClock.after(0, done) };
    const [kinds, ids, left]: [string[], (string | null)[], (string | Error)[]] = [[], [], [...streams]];
    const client = {
      stream: (_path: string, lastEventId: string | null) => {
        ids.push(lastEventId);
        const next = left.shift();
        if (typeof next === 'string') return once(next);
        if (next === undefined) end.abort();
        throw next ?? new Failure(EXIT.interrupted, 'interrupted');
      },
    };
    try {
      for await (const message of followFeed(client, '/feed', { clock }, { signal: end.signal, isPatient })) kinds.push(message.kind);
      return { kinds, ids, end: null };
    } catch (error) {
      return { kinds, ids, end: error };
    }
  }

  it('is resumed after the last whole change, over failures that pass, an end of the log that is lost among them', async () => {
    const failures = [
      new Failure(EXIT.unreachable, 'gone'),
      refused(503, 'behind'),
      refused(429, 'too-many-streams'),
      refused(409, 'ahead-of-log'),
    ];
    const { kinds, ids, end } = await followed([snapshot, ...failures, snapshot]);
    expect(kinds).toEqual([
      'hello',
      'snapshot-complete',
      ...Array.from({ length: 5 }, () => 'broken'),
      'hello',
      'snapshot-complete',
      'broken',
    ]);
    expect(ids).toEqual([null, ...Array.from({ length: 6 }, () => 'l/7')]);
    expect(end).toMatchObject({ exitCode: EXIT.interrupted });
  });

  it('is given up where it is refused, or cannot be reached at first, unless it is asked for patiently', async () => {
    expect(await followed([snapshot, refused(404, 'vn-unknown')])).toMatchObject({ end: { exitCode: EXIT.notFound } });
    expect(await followed([refused(503, 'behind'), snapshot])).toMatchObject({ kinds: [], end: { status: 503 } });
    expect((await followed([refused(503, 'behind'), snapshot], true)).kinds).toEqual(['broken', 'hello', 'snapshot-complete', 'broken']);
  });
});
