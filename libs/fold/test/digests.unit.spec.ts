import fc from 'fast-check';
import { TableDigest } from '@nva/codec';
import { feedKey, type Position, type RecordedEvent } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { DIGEST_HISTORY, FeedDigests, feedsOf, Network, recordsOf, type RecordChange } from '../src/index.ts';
import { racyLog } from './races.ts';

interface Report {
  readonly position: Position;
  readonly digest: string;
}

/** What a consumer reports of a feed that it has just read from the start: the newest of the live keys' positions, and their digest. */
function reread(network: Network, feed: string): Report {
  const digest = new TableDigest();
  let newest = 0;
  for (const { key, position } of recordsOf(network, feedNamed(network, feed))) {
    digest.set(key, position, null);
    newest = Math.max(newest, position);
  }
  return { position: newest, digest: digest.toString() };
}

const feedNamed = (network: Network, name: string) => [...feedsOf(network)].find((feed) => feedKey(feed) === name)!;
const vns = (network: Network): string[] => [...feedsOf(network)].filter(({ kind }) => kind === 'vn').map(feedKey);
const flipped = (digest: string): string => (digest.startsWith('0') ? `1${digest.slice(1)}` : `0${digest.slice(1)}`);

function foldWith(log: readonly RecordedEvent[], each: (network: Network, digests: FeedDigests) => void): void {
  const network = new Network();
  const digests = new FeedDigests();
  for (const event of log) {
    digests.apply(event.position, network.apply(event));
    each(network, digests);
  }
}

describe('the verdict on a table that is reported', () => {
  it('is never that a right one differs, although after a read from the start the newest event may be a removal that left no position', () => {
    let unexact = 0;
    fc.assert(
      fc.property(racyLog(), (log) => {
        const told = new Map<string, Report[]>();
        foldWith(log, (network, digests) => {
          for (const feed of vns(network)) {
            for (const earlier of told.get(feed) ?? [])
              expect(['same', 'behind']).toContain(digests.judge(feed, earlier.position, earlier.digest));
            const now = reread(network, feed);
            expect(digests.judge(feed, now.position, now.digest)).toBe('same');
            if (now.position > 0 && digests.at(feed, now.position) !== now.digest) unexact++;
            told.set(feed, [...(told.get(feed) ?? []).slice(-8), now]);
          }
        });
      }),
      { numRuns: 300 },
    );
    // The generator must not have gone tame.
    expect(unexact).toBeGreaterThan(100);
  });

  it('is never that a wrong one is right, and that it differs wherever all digests since its position are held', () => {
    fc.assert(
      fc.property(racyLog(), (log) => {
        const history = new Map<string, Report[]>();
        foldWith(log, (network, digests) => {
          for (const feed of vns(network)) {
            const current = digests.current(feed);
            if (current.position === 0) continue;
            expect(digests.judge(feed, current.position, flipped(current.digest))).toBe('differs');
            expect(digests.judge(feed, 0, flipped(current.digest))).toBe('unknown');
            const states = history.get(feed) ?? [];
            if (states.at(-1)?.position !== current.position) history.set(feed, [...states, current]);
            // One that claims to be further than it is.
            for (const { digest } of states) {
              const isNow = digest === current.digest;
              expect(digests.judge(feed, current.position, digest)).toBe(isNow ? 'same' : 'differs');
            }
          }
        });
      }),
      { numRuns: 300 },
    );
  });

  const change = (key: string, value: boolean, previous: Position | null): RecordChange =>
    ({ feed: { kind: 'vn', vnid: 1 }, key, value: value ? ({} as never) : null, previous }) as RecordChange;

  it('is unknown before what is held, but where the table is one of those that are', () => {
    const digests = new FeedDigests();
    let last: Position | null = null;
    const reports: Report[] = [];
    for (let position = 1; position <= 3 * DIGEST_HISTORY; position++) {
      digests.apply(position, [change('mapping/a/10.0.0.1', true, last)]);
      last = position;
      reports.push(digests.current('vn/1'));
    }
    expect(digests.judge('vn/1', 1, reports[0]!.digest)).toBe('unknown');
    expect(digests.judge('vn/1', 1, reports.at(-2)!.digest)).toBe('behind');
    expect(digests.judge('vn/1', 1, reports.at(-1)!.digest)).toBe('same');
    const restored = FeedDigests.restored(digests.all());
    expect(restored.judge('vn/1', last! - 1, reports.at(-2)!.digest)).toBe('unknown');
    expect(restored.judge('vn/1', last! - 1, reports.at(-1)!.digest)).toBe('same');
    expect(restored.judge('vn/1', last!, reports.at(-2)!.digest)).toBe('differs');
  });

  it('of a feed that never had a record is that an empty table is the same', () => {
    expect(new FeedDigests().judge('vn/1', 0, new TableDigest().toString())).toBe('same');
    expect(new FeedDigests().judge('vn/1', 5, '0123456789abcdef')).toBe('unknown');
  });
});
