import { EventStreamParser } from '@nva/nve';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FeedState, readMessage, type FeedMessage } from '../src/api/feed.ts';

const record = (key: string, position: number, value: object | null = { key }): FeedMessage => ({
  kind: 'record',
  record: { key, value: value as never, position: String(position) },
});
const hello = (mode: 'snapshot' | 'resume'): FeedMessage => ({ kind: 'hello', mode });
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
    state.apply(hello('resume'));
    expect(state.apply(record('d', 9, null)).map(({ sign }) => sign)).toEqual(['-']);
    expect(shown(state)).toEqual(['b', 'c']);
  });
});
