import { FeedRefused, type FeedName } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { formatCursor, parseCursor, printOf } from '../src/cursor.ts';
import { TopicNames } from '../src/topics.ts';

const names = new TopicNames('nvo3');

describe('topic names', () => {
  it('go both ways', () => {
    const feeds: FeedName[] = [
      { kind: 'vn', vnid: 1 },
      { kind: 'vn', vnid: 16_777_215 },
      { kind: 'nve', nveId: 'leaf-1.rack_2' },
    ];
    expect(feeds.map((feed) => names.of(feed))).toEqual(['nvo3.vn.1', 'nvo3.vn.16777215', 'nvo3.nve.leaf-1.rack_2']);
    for (const feed of feeds) expect(names.feedOf(names.of(feed))).toEqual(feed);
  });

  it('keep outcomes and feeds of NVEs apart, whatever dots an NVE has in its id', () => {
    expect([names.commands, names.outcomes('leaf-1'), names.outcomes('outcomes')]).toEqual([
      'nvo3.commands',
      'nvo3.nve.leaf-1.outcomes',
      'nvo3.nve.outcomes.outcomes',
    ]);
    for (const nveId of ['leaf-1', 'x.outcomes.y', 'outcomes', 'x.outcomes1']) {
      expect(names.feedOf(names.of({ kind: 'nve', nveId }))).toEqual({ kind: 'nve', nveId });
      expect(names.feedOf(names.outcomes(nveId)), nveId).toBeNull();
    }
    for (const take of [(nveId: string) => names.of({ kind: 'nve', nveId }), (nveId: string) => names.outcomes(nveId)])
      expect(() => take('leaf-1.outcomes')).toThrow(FeedRefused);
    expect(names.feedOf(names.commands)).toBeNull();
  });

  it('of others are none of ours', () => {
    for (const topic of ['nvo3.schemas', 'nvo3.vn.01', 'nvo3.vn.16777216', 'nvo3.vn.x', 'other.vn.1', 'nvo3vn.1'])
      expect(names.feedOf(topic), topic).toBeNull();
  });

  it('refuse what Kafka refuses', () => {
    for (const nveId of ['leaf/1', 'leaf:1', 'é', 'x'.repeat(249)])
      expect(() => names.of({ kind: 'nve', nveId }), nveId).toThrow(FeedRefused);
    for (const vnid of [0, -1, 1.5, 16_777_216]) expect(() => names.of({ kind: 'vn', vnid }), String(vnid)).toThrow(FeedRefused);
    expect(() => new TopicNames('no spaces')).toThrow(FeedRefused);
  });
});

describe('cursors', () => {
  it('go both ways, and nothing else is one', () => {
    const landmark = { offset: 17, print: printOf({ timestamp: '1790000000000', key: Buffer.from('member/a') }) };
    expect(parseCursor(formatCursor(landmark, 1_790_000_000_000))).toEqual({ landmark, wholeMs: 1_790_000_000_000 });
    for (const text of ['', '17', '@5', '-1@5', '1@2', '1@2@3', '1@2@3-xyz', 'log/17']) expect(parseCursor(text), text).toBeNull();
  });
});
