import { StoreUnavailable, type AppendResult, type EventStore, type EventToAppend, type StreamAppend } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { meanings, tableIn } from '../../../test/state-table.ts';
import { AppendQueue, type Write } from '../src/append-queue.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const idOf = ({ toAppend }: Write): string => toAppend.id;
const write = (id: string, stream: string, second?: Write): Write => ({
  stream,
  expectedRevision: 0,
  toAppend: { id } as EventToAppend,
  ...(second && { second }),
});

type Answer = 'appended' | 'wrong-expected-revision' | 'unknown';

/** A queue over a store that answers when it is told to; and what its listener was told. */
class Held {
  readonly #calls: { readonly ids: readonly string[]; readonly settle: (answer: Answer) => void }[] = [];
  readonly overtaken: { readonly ids: readonly string[]; readonly counted: number }[] = [];
  readonly lost: (readonly string[])[] = [];
  readonly unwanted = new Set<string>();
  readonly queue: AppendQueue<Write>;

  constructor() {
    const append = (appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> =>
      new Promise((resolve, reject) => {
        const settle = (answer: Answer): void => {
          if (answer === 'unknown') reject(new StoreUnavailable('the answer was lost'));
          else resolve(appends.map(() => ({ outcome: answer }) as AppendResult));
        };
        this.#calls.push({ ids: appends.flatMap(({ events }) => events.map(({ id }) => id)), settle });
      });
    this.queue = new AppendQueue<Write>({ append } as unknown as EventStore, {
      wanted: (one) => !this.unwanted.has(idOf(one)),
      overtaken: (writes, counted) => this.overtaken.push({ ids: writes.map(idOf), counted }),
      lost: (writes) => this.lost.push(writes.map(idOf)),
    });
  }

  /** What is on its way, call by call. */
  get sent(): readonly (readonly string[])[] {
    return this.#calls.map(({ ids }) => ids);
  }

  /** The store answers all that is on its way now, or the first of it. */
  async answer(answer: Answer, calls = this.#calls.length): Promise<void> {
    for (const { settle } of this.#calls.splice(0, calls)) settle(answer);
    await turn();
  }

  /** Where a write is: it was told of, it is on its way, or neither of both. */
  placeOf(id: string): string {
    if (this.overtaken.some(({ ids }) => ids.includes(id))) return `overtaken, ${this.overtaken[0]!.counted} counted`;
    if (this.lost.some((ids) => ids.includes(id))) return 'lost';
    return this.sent.some((ids) => ids.includes(id)) ? 'sent' : 'neither';
  }
}

/** The write that is looked at is of stream «a»; where it is of two, its second is of «b». */
const ONE = write('one', 'a');
const TWO = write('first', 'a', write('second', 'b'));
const NEXT = [write('next of a', 'a')];
const NEXT_OF_TWO = [write('next of b', 'b'), write('next of a', 'a')];
/** The last is decided on what goes to «c» by the one before it. */
const NEXT_ARE_TWO = [write('next of a', 'a', write('next of a, second', 'c')), write('next of c', 'c')];
const OTHER = write('other', 'z');

describe('a write', () => {
  const table = tableIn('libs/registrar/src/append-queue.ts', [
    'a write is',
    'what happens',
    'then it is',
    'what was decided on it',
    "another stream's",
  ]);

  const isOfTwo = (state: string): boolean => /, a pair|first|second|told/.test(state);
  const nextOf = (state: string): readonly Write[] =>
    state.endsWith('before a pair') ? NEXT_ARE_TWO : isOfTwo(state) ? NEXT_OF_TWO : NEXT;
  const comes = (held: Held, state: string): void => {
    held.queue.send([isOfTwo(state) ? TWO : ONE]);
    held.queue.send([...nextOf(state), OTHER]);
  };
  const comesBehind = (held: Held, state: string): void => {
    held.queue.send([write('before', isOfTwo(state) ? 'b' : 'a')]);
    comes(held, state);
  };
  const secondSent = async (held: Held, state: string): Promise<void> => {
    comes(held, state);
    await held.answer('appended');
  };
  const given = meanings<(held: Held, state: string) => void | Promise<void>>(table, ['a write is'], {
    'new': () => undefined,
    'queued': comesBehind,
    'sent': comes,
    'sent before a pair': comes,
    'new, a pair': () => undefined,
    'queued, a pair': comesBehind,
    'first sent': comes,
    'second sent': secondSent,
    'to be told': async (held, state) => {
      await secondSent(held, state);
      await held.answer('appended');
    },
  });
  const unwanted = (held: Held): Promise<void> => {
    for (const id of ['one', 'second']) held.unwanted.add(id);
    return held.answer('appended');
  };
  const tells = (held: Held, counts: boolean): void => expect(held.queue.told('second', counts)).toBe(true);
  /** What is sent meanwhile stays on its way. */
  const tellsFirst = (held: Held, counts: boolean): Promise<void> => {
    tells(held, counts);
    return held.answer('unknown', 1);
  };
  const happens = meanings<(held: Held, state: string) => void | Promise<void>>(table, ['what happens'], {
    'it comes, its stream is free': comes,
    'it comes, its streams are free': comes,
    'it comes behind one of its stream': comesBehind,
    "it comes behind one of its second's stream": comesBehind,
    'the one before it is in the log': (held) => held.answer('appended'),
    'the one before it is; nobody waits for this': unwanted,
    'the one before it is overtaken': (held) => held.answer('wrong-expected-revision'),
    'what came of the one before it is not known': (held) => held.answer('unknown'),
    'it is in the log': (held) => held.answer('appended'),
    'it is in the log; nobody waits for this': unwanted,
    'another writer was first': (held) => held.answer('wrong-expected-revision'),
    'the store does not say': (held) => held.answer('unknown'),
    'the fold: it counts': (held) => tells(held, true),
    'the fold: in vain': (held) => tells(held, false),
    'the fold: it counts; the answer is lost': (held) => tellsFirst(held, true),
    'the fold: in vain; the answer is lost': (held) => tellsFirst(held, false),
  });
  /** Where it, or its second, is then; how many of it are queued; whether the fold is still to tell of it. */
  const then = meanings(table, ['then it is'], {
    'queued': { place: 'neither', queued: 1, toBeTold: false },
    'sent': { place: 'sent', queued: 0, toBeTold: false },
    'queued, a pair': { place: 'neither', queued: 1, toBeTold: false },
    'first sent': { place: 'sent', queued: 0, toBeTold: true },
    'second sent': { of: 'second', place: 'sent', queued: 0, toBeTold: true },
    'to be told': { of: 'second', place: 'neither', queued: 0, toBeTold: true },
    'done': { place: 'neither', queued: 0, toBeTold: false },
    'lost': { place: 'lost', queued: 0, toBeTold: false },
    'overtaken, 1 counted': { place: 'overtaken, 1 counted', queued: 0, toBeTold: false },
    'overtaken, 0 counted': { place: 'overtaken, 0 counted', queued: 0, toBeTold: false },
  });
  const nextThen = meanings<(of: string) => string>(table, ['what was decided on it'], {
    'waits': () => 'neither',
    'is sent': () => 'sent',
    'is sent with it': () => 'sent',
    'goes with it': (of) => of,
  });
  const otherThen = meanings(table, ["another stream's"], { 'waits': 'neither', 'is sent': 'sent' });

  it.each(table)('%s', async (_, row) => {
    const held = new Held();
    const state = row['a write is'];
    const [one, next] = [isOfTwo(state) ? 'first' : 'one', nextOf(state).map(idOf)];
    await given(state)(held, state);
    await happens(row['what happens'])(held, state);

    const { of = one, place, queued, toBeTold } = { of: undefined, ...then(row['then it is']) };
    expect(held.placeOf(of)).toBe(place);
    expect(next.map((id) => held.placeOf(id))).toEqual(next.map(() => nextThen(row['what was decided on it'])(place)));
    expect(held.placeOf('other')).toBe(otherThen(row["another stream's"]));
    const waiting = (row['what was decided on it'] === 'waits' ? next.length : 0) + (row["another stream's"] === 'waits' ? 1 : 0);
    expect(held.queue.size).toBe(queued + waiting);
    if (row['what was decided on it'] === 'is sent with it') expect(held.sent[0]).toEqual([one, ...next, 'other']);
    // All that was told went together, in the order of the decisions.
    const told = [...held.overtaken.map(({ ids }) => ids), ...held.lost];
    expect(told.length).toBeLessThanOrEqual(1);
    if (told[0]) expect(told[0].filter((id) => id !== 'before')).toEqual([one, ...next]);
    expect(held.queue.told('second', true)).toBe(toBeTold);
  });
});
