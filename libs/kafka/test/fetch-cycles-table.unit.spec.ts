import { describe, expect, it } from 'vitest';
import { meanings, tableIn } from '../../../test/state-table.ts';
import { FetchCycles, type ClusterLayout } from '../src/fetch-cycles.ts';

const FILE = 'libs/kafka/src/fetch-cycles.ts';
const TOPICS = ['a', 'b'];
const MAX_BYTES = 1_000_000;
/** At 300 bytes an offset. */
const HALF_OF_IT = Math.ceil(MAX_BYTES / 2 / 300);
const LAYOUT: ClusterLayout = {
  leaders: new Map([
    ['a', 1],
    ['b', 2],
  ]),
  nodes: new Map([
    ['k1:9092', 1],
    ['k2:9092', 2],
  ]),
};

/** Cycles, and which topics they told to be quiet since that was last asked. */
class Told {
  #quiet: string[] = [];
  readonly cycles = new FetchCycles(MAX_BYTES, (topic) => this.#quiet.push(topic));

  begins = (): void => this.cycles.begin(1, TOPICS);
  answers = (): void => this.cycles.answered('k1:9092');
  goesOn = (): void => this.cycles.taken(1);

  take(): string[] {
    return this.#quiet.splice(0);
  }
}

describe('the cycle of a broker', () => {
  const table = tableIn(FILE, ['the cycle is', 'what happens', 'then it is', 'quiet are']);
  const given = meanings<(told: Told) => void>(table, ['the cycle is'], {
    'not there': () => undefined,
    'asked': (told) => told.begins(),
    'answered': (told) => (told.begins(), told.answers()),
    'taken': (told) => (told.begins(), told.answers(), told.goesOn()),
    'taken, but full': (told) => (told.begins(), told.answers(), told.goesOn(), told.cycles.delivered('a', HALF_OF_IT)),
  });
  const happens = meanings<(told: Told) => void>(table, ['what happens'], {
    'a fetch begins': (told) => told.begins(),
    'the next fetch begins': (told) => told.begins(),
    'the broker answers': (told) => told.answers(),
    'kafkajs goes on': (told) => told.goesOn(),
    'records of one topic are handled': (told) => told.cycles.delivered('a', HALF_OF_IT - 1),
    'records that fill half of it come': (told) => told.cycles.delivered('a', HALF_OF_IT),
    'positions change': (told) => told.cycles.reset(),
  });
  const quiet = meanings(table, ['quiet are'], {
    'none': [],
    'none: nothing was answered': [],
    'none: the fetch failed inside kafkajs': [],
    'none: the answer was thrown away': [],
    'none: a topic may have had no room': [],
    'the topics that it brought nothing of': TOPICS,
  });
  /** What is known from outside of where a cycle is: after which of these the next fetch that begins tells of a topic. */
  const WAYS: readonly ((told: Told) => void)[] = [() => undefined, (told) => told.goesOn(), (told) => (told.answers(), told.goesOn())];
  const tellAfter = meanings(table, ['then it is'], {
    'not there': [false, false, false],
    'asked': [false, false, true],
    'answered': [false, true, true],
    'taken': [true, true, true],
    'taken, but full': [false, false, false],
  });

  it.each(table)('%s', (_, row) => {
    const told = new Told();
    given(row['the cycle is'])(told);
    expect(told.take()).toEqual([]);
    happens(row['what happens'])(told);
    expect(told.take()).toEqual(quiet(row['quiet are']));
    const tells = WAYS.map((way) => {
      const again = new Told();
      given(row['the cycle is'])(again);
      happens(row['what happens'])(again);
      again.take();
      way(again);
      again.begins();
      return again.take().length > 0;
    });
    expect(tells).toEqual(tellAfter(row['then it is']));
  });
});

describe('what is known of the brokers', () => {
  const table = tableIn(FILE, ['known is', 'what happens', 'then known is', 'its cycle tells of']);
  const second = (told: Told): void => told.cycles.begin(2, TOPICS);
  /** Nothing of «b» comes, of «a» something does. */
  const fetches = (told: Told, times: number): void => {
    for (let i = 0; i < times; i++) {
      told.begins();
      told.cycles.delivered('a', 1);
    }
  };
  const given = meanings<(told: Told) => void>(table, ['known is'], {
    'one broker': (told) => told.begins(),
    'several, and not who leads': (told) => (told.begins(), second(told)),
    'several, and who leads': (told) => (told.begins(), second(told), told.cycles.learn(LAYOUT)),
  });
  const happens = meanings<(told: Told) => void>(table, ['what happens'], {
    'nothing': () => undefined,
    'another broker is fetched from': second,
    'the layout is learned': (told) => told.cycles.learn(LAYOUT),
    'positions change': (told) => told.cycles.reset(),
    '100 fetches bring nothing of a topic': (told) => fetches(told, 100),
    '101 fetches bring nothing of a topic': (told) => fetches(told, 101),
  });
  const seen = meanings(table, ['then known is'], {
    'one broker': { needsLayout: false, ledBy1: TOPICS },
    'several, and not who leads': { needsLayout: true, ledBy1: TOPICS },
    'several, and who leads': { needsLayout: false, ledBy1: ['a'] },
  });
  const tellsOf = meanings(table, ['its cycle tells of'], {
    'every topic': TOPICS,
    'no topic': [],
    'the topics that it leads': ['a'],
  });

  it.each(table)('%s', (_, row) => {
    const told = new Told();
    given(row['known is'])(told);
    happens(row['what happens'])(told);
    const { cycles } = told;
    expect({ needsLayout: cycles.needsLayout, ledBy1: TOPICS.filter((topic) => cycles.leads(1, topic)) }).toEqual(
      seen(row['then known is']),
    );
    // What the row has not made lost is not lost by the look at it.
    for (const topic of TOPICS) cycles.delivered(topic, 1);
    told.begins();
    told.answers();
    told.goesOn();
    told.take();
    told.begins();
    expect(told.take()).toEqual(tellsOf(row['its cycle tells of']));
  });
});
