import { Network } from '@nva/fold';
import { FeedUnavailable, feedKey, silentLogger, systemClock, type FeedAccess, type FeedRight, type ListedRight } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { meanings, tableIn } from '../../../test/state-table.ts';
import { play } from '../../fold/test/races.ts';
import { attach, detach, nve, vn } from '../../registrar/test/harness.ts';
import { LOOK_EVERY_MS, Rights } from '../src/rights.ts';

const FILE = 'libs/distributor/src/rights.ts';
const GRACE_MS = 60_000;
/** Longer than any wait before a try that follows a failure. */
const LATER_MS = 16_000;
const A_TO_VN: FeedRight = { nveId: 'a', feed: { kind: 'vn', vnid: 1 } };
const B_TO_VN: FeedRight = { nveId: 'b', feed: { kind: 'vn', vnid: 1 } };
const nameOf = ({ nveId, feed }: FeedRight): string => `${nveId} ${feedKey(feed)}`;

const LOG = play(
  [nve('a'), nve('b'), vn(1), attach('t1', 'a', 1), detach('t1', 'a'), attach('t1', 'a', 1)].map((one) => ({
    command: one,
    lag: 0,
    blind: false,
    gap: 1,
  })),
);
/** How many events it takes until NVE «a» is in VN 1, has left it, and is in it again. */
const [JOINED, LEFT, AGAIN] = [4, 5, 6];

/** Rights over a network and brokers that are made to say no. */
class Kept {
  readonly network = new Network();
  readonly granted = new Map<string, ListedRight>();
  readonly rights: Rights;
  nowMs = 1_000;
  published = 0;
  refuses: 'nothing' | 'grants' | 'revocations' = 'nothing';
  heartbeatsNameIt = false;

  constructor() {
    const access: FeedAccess = {
      list: async () => [...this.granted.values()],
      grant: async (rights) => {
        if (this.refuses === 'grants') throw new FeedUnavailable('no grants');
        for (const right of rights) this.granted.set(nameOf(right), { ...right, whole: true });
      },
      revoke: async (rights) => {
        if (this.refuses === 'revocations') throw new FeedUnavailable('no revocations');
        for (const right of rights) this.granted.delete(nameOf(right));
      },
      close: () => Promise.resolve(),
    };
    this.rights = new Rights(
      {
        access,
        clock: { ...systemClock, monotonicMs: () => this.nowMs },
        graceMs: GRACE_MS,
        stillFollows: () => Promise.resolve(this.heartbeatsNameIt),
      },
      {
        network: this.network,
        owns: () => true,
        logger: silentLogger,
        published: () => this.published,
        caughtUp: () => Promise.resolve(),
      },
    );
  }

  /** The first so many events of the log. */
  fold(events: number): void {
    for (const event of LOG.slice(0, events)) this.network.apply(event);
  }

  async passes(ms: number): Promise<void> {
    this.nowMs += ms;
    await this.rights.tend();
  }

  get mayRead(): boolean {
    return this.granted.has(nameOf(A_TO_VN));
  }
}

const after = async (...steps: readonly ((kept: Kept) => void | Promise<void>)[]): Promise<Kept> => {
  const kept = new Kept();
  for (const step of steps) await step(kept);
  return kept;
};
const joined = (kept: Kept): void => kept.fold(JOINED);
const start = (kept: Kept): Promise<void> => kept.rights.start();
const leaves = (kept: Kept): Promise<void> => (kept.fold(LEFT), kept.rights.tend());
const told = (kept: Kept): Promise<void> => ((kept.published = kept.network.position), kept.rights.tend());
const named = (kept: Kept): Promise<void> => ((kept.heartbeatsNameIt = true), kept.passes(GRACE_MS));
const overdue = (kept: Kept): Promise<void> => ((kept.refuses = 'revocations'), kept.passes(GRACE_MS));

describe('a right to a VN', () => {
  const table = tableIn(FILE, ['the right is', 'what happens', 'then it is']);
  const given = meanings<() => Promise<Kept>>(table, ['the right is'], {
    'lacking': () => after(joined),
    'due and there': () => after(joined, start),
    'too much, untold': () => after(joined, start, leaves),
    'too much': () => after(joined, start, leaves, told),
    'overdue': () => after(joined, start, leaves, told, overdue),
    'kept': () => after(joined, start, leaves, told, named),
  });
  const happens = meanings<(kept: Kept) => Promise<void>>(table, ['what happens'], {
    'it can be granted': ({ rights }) => rights.grantOrWithhold([A_TO_VN]),
    'it cannot be granted': (kept) => {
      kept.refuses = 'grants';
      return kept.rights.grantOrWithhold([A_TO_VN]);
    },
    'somebody takes it away': (kept) => {
      kept.granted.delete(nameOf(A_TO_VN));
      return kept.passes(LOOK_EVERY_MS);
    },
    'the NVE leaves the VN': leaves,
    'the NVE is told that it left': told,
    'the NVE joins again': (kept) => (kept.fold(AGAIN), kept.rights.tend()),
    'the NVE joins again, and the next try sees it': (kept) => (kept.fold(AGAIN), kept.passes(LATER_MS)),
    'half of the grace time goes by': (kept) => kept.passes(GRACE_MS / 2),
    'the grace time goes by': (kept) => kept.passes(GRACE_MS),
    'the grace time goes by, and nothing can be revoked': overdue,
    'the next try can revoke it': (kept) => ((kept.refuses = 'nothing'), kept.passes(LATER_MS)),
    'the grace time goes by, and heartbeats name the VN': named,
    'heartbeats name the VN no more': (kept) => {
      kept.heartbeatsNameIt = false;
      return kept.passes(1);
    },
    'ten grace times have gone by': (kept) => kept.passes(9 * GRACE_MS),
    'the VN is long gone': ({ rights }) => rights.revokeAll(1),
  });
  /** Is it there, does it wait to be revoked, is it there a try later, a grace time later, and long after without heartbeats? */
  const then = meanings(table, ['then it is'], {
    'lacking': [false, 0, true, true, true],
    'due and there': [true, 0, true, true, true],
    'too much, untold': [true, 1, true, true, true],
    'too much': [true, 1, true, false, false],
    'overdue': [true, 1, false, false, false],
    'kept': [true, 1, true, true, false],
    'gone': [false, 0, false, false, false],
  });

  it.each(table)('%s', async (_, row) => {
    const kept = await given(row['the right is'])();
    await happens(row['what happens'])(kept);
    const seen: unknown[] = [kept.mayRead, kept.rights.waiting];
    kept.refuses = 'nothing';
    for (const ms of [LATER_MS, GRACE_MS - LATER_MS]) {
      await kept.passes(ms);
      seen.push(kept.mayRead);
    }
    kept.heartbeatsNameIt = false;
    await kept.passes(20 * GRACE_MS);
    expect([...seen, kept.mayRead]).toEqual(then(row['then it is']));
  });
});

describe('a VN whose rights are kept', () => {
  const table = tableIn(FILE, ['the VN is', 'what happens', 'then the VN is']);
  const cannot = (kept: Kept): Promise<void> => ((kept.refuses = 'grants'), kept.rights.grantOrWithhold([A_TO_VN]));
  const looks = (refuses: Kept['refuses']) => (kept: Kept) => ((kept.refuses = refuses), kept.passes(LATER_MS));
  const given = meanings<() => Promise<Kept>>(table, ['the VN is'], {
    open: () => after(start, joined),
    withheld: () => after(start, joined, cannot),
    released: () => after(start, joined, cannot, looks('nothing')),
  });
  const happens = meanings<(kept: Kept) => void | Promise<void>>(table, ['what happens'], {
    'every right can be granted': ({ rights }) => rights.grantOrWithhold([A_TO_VN, B_TO_VN]),
    'a right cannot be granted': (kept) => {
      kept.refuses = 'grants';
      return kept.rights.grantOrWithhold([A_TO_VN, B_TO_VN]);
    },
    'another right could be granted by now, unseen': async (kept) => {
      kept.refuses = 'nothing';
      await kept.rights.grantOrWithhold([B_TO_VN]);
      expect(kept.granted.has(nameOf(B_TO_VN))).toBe(false);
    },
    'a look finds rights lacking still': looks('grants'),
    'a look can grant what lacks': looks('nothing'),
    'a look finds nothing lacking': (kept) => kept.passes(LOOK_EVERY_MS),
    'the released are taken': ({ rights }) => void rights.takeReleased(),
  });
  const then = meanings(table, ['then the VN is'], {
    open: { isWithheld: false, taken: [] },
    withheld: { isWithheld: true, taken: [] },
    released: { isWithheld: true, taken: [1] },
  });

  it.each(table)('%s', async (_, row) => {
    const kept = await given(row['the VN is'])();
    await happens(row['what happens'])(kept);
    const { rights } = kept;
    const { isWithheld, taken } = then(row['then the VN is']);
    expect([rights.withheld.has(1), rights.hasReleased]).toEqual([isWithheld, taken.length > 0]);
    expect([rights.takeReleased(), rights.withheld.has(1)]).toEqual([taken, isWithheld && taken.length === 0]);
  });
});
