import { beforeEach, describe, expect, it } from 'vitest';
import { FetchCycles } from '../src/fetch-cycles.ts';

const TOPICS = ['a', 'b'];
const MAX_BYTES = 1_000_000;
let quiet: string[];
let cycles: FetchCycles;
beforeEach(() => {
  quiet = [];
  cycles = new FetchCycles(MAX_BYTES, (topic) => quiet.push(topic));
});

/** The node answers, and kafkajs takes it. */
const answered = (node: number): void => {
  cycles.answered(`k${node}:9092`);
  cycles.taken(node);
};

describe('with one broker a topic is quiet', () => {
  it('when a fetch was answered and brought nothing of it', () => {
    cycles.begin(1, TOPICS);
    answered(1);
    cycles.delivered('a', 3);
    cycles.begin(1, TOPICS);
    expect(quiet).toEqual(['b']);
  });

  it('not before a fetch is over, nor by one that was not answered', () => {
    cycles.begin(1, TOPICS);
    expect(quiet).toEqual([]);
    cycles.begin(1, TOPICS);
    expect(quiet).toEqual([]);
  });

  it('not by an answer that was thrown away with what it brought, since another topic of it was deleted', () => {
    cycles.begin(1, TOPICS);
    cycles.answered('k1:9092');
    cycles.begin(1, TOPICS);
    expect(quiet).toEqual([]);
    answered(1);
    cycles.begin(1, TOPICS);
    expect(quiet).toEqual(TOPICS);
  });

  it('not by a fetch so full that it may have had no room', () => {
    cycles.begin(1, TOPICS);
    answered(1);
    cycles.delivered('a', MAX_BYTES / 400);
    cycles.begin(1, TOPICS);
    expect(quiet).toEqual([]);
  });

  it('not by what was seen before positions changed', () => {
    cycles.begin(1, TOPICS);
    answered(1);
    cycles.reset();
    cycles.begin(1, TOPICS);
    expect(quiet).toEqual([]);
  });
});

describe('with several brokers a topic is quiet', () => {
  const layout = {
    leaders: new Map([
      ['a', 1],
      ['b', 2],
    ]),
    nodes: new Map([
      ['k1:9092', 1],
      ['k2:9092', 2],
    ]),
  };
  const begin = (nodeId: number): void => cycles.begin(nodeId, TOPICS);

  it('never before it is known who leads it', () => {
    begin(1);
    begin(2);
    expect(cycles.needsLayout).toBe(true);
    answered(1);
    begin(1);
    begin(1);
    expect(quiet).toEqual([]);
  });

  it('when its own leader answered without it, whatever the others do', () => {
    begin(1);
    begin(2);
    cycles.learn(layout);
    begin(1);
    begin(2);
    answered(1);
    begin(2);
    expect(quiet).toEqual([]);
    begin(1);
    expect(quiet).toEqual(['a']);
    answered(2);
    cycles.delivered('a', 1);
    begin(2);
    expect(quiet).toEqual(['a', 'b']);
  });

  it('by its new leader, asked for when nothing is heard of the topic any more', () => {
    begin(1);
    begin(2);
    cycles.learn(layout);
    const round = (): void => {
      for (const nodeId of [1, 2]) {
        begin(nodeId);
        if (!cycles.needsLayout) answered(2);
      }
    };
    // Only the second answers: the first, which led «a», is gone.
    for (let i = 0; i < 30; i++) round();
    expect([cycles.needsLayout, new Set(quiet)]).toEqual([false, new Set(['b'])]);
    for (let i = 0; i < 100 && !cycles.needsLayout; i++) round();
    expect(cycles.needsLayout).toBe(true);
    cycles.learn({
      ...layout,
      leaders: new Map([
        ['a', 2],
        ['b', 2],
      ]),
    });
    quiet = [];
    for (let i = 0; i < 3; i++) round();
    expect(new Set(quiet)).toEqual(new Set(TOPICS));
  });

  it('or spoken of, for as long as it likes, without the leader being asked for again', () => {
    begin(1);
    begin(2);
    cycles.learn(layout);
    for (let i = 0; i < 1_000; i++) {
      for (const nodeId of [1, 2]) {
        begin(nodeId);
        answered(nodeId);
        if (i % 50 === 0) cycles.delivered('a', 1);
        expect(cycles.needsLayout).toBe(false);
      }
    }
  });
});
