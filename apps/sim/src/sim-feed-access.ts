import { FeedUnavailable, type FeedAccess, type FeedName, type FeedRight, type ListedRight } from '@nva/ports';
import type { Link } from './link.ts';
import { rightName, type SimBrokers } from './sim-brokers.ts';
import type { Life, World } from './world.ts';

const REQUEST_LIMIT_MS = 3_000;

/** The read permissions of topics, kept by the simulated brokers. */
export class SimFeedAccess implements FeedAccess {
  readonly #brokers: SimBrokers;
  readonly #world: World;
  readonly #life: Life;
  readonly #link: Link;

  constructor(brokers: SimBrokers, world: World, life: Life, link: Link) {
    this.#brokers = brokers;
    this.#world = world;
    this.#life = life;
    this.#link = link;
  }

  list(): Promise<readonly ListedRight[]> {
    return this.#asked(() => [...this.#brokers.rights].map((name) => ({ ...rightOf(name), whole: true })));
  }

  grant(rights: readonly FeedRight[]): Promise<void> {
    return this.#asked(() => {
      for (const { nveId, feed } of rights) this.#brokers.rights.add(rightName(nveId, feed));
    });
  }

  revoke(rights: readonly FeedRight[]): Promise<void> {
    return this.#asked(() => {
      for (const { nveId, feed } of rights) this.#brokers.rights.delete(rightName(nveId, feed));
    });
  }

  async close(): Promise<void> {}

  async #asked<T>(act: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const callOff = this.#world.after(REQUEST_LIMIT_MS, this.#life, () => reject(new FeedUnavailable('the brokers do not answer')));
    if (this.#link.passes()) {
      this.#world.after(this.#link.delayMs(), null, () => {
        const done = act();
        if (!this.#link.passes()) return;
        this.#world.after(this.#link.delayMs(), this.#life, () => {
          callOff();
          resolve(done);
        });
      });
    }
    return promise;
  }
}

function rightOf(name: string): FeedRight {
  const [nveId, feed] = name.split(' ') as [string, string];
  const [kind, id] = feed.split('/') as ['vn' | 'nve', string];
  const read: FeedName = kind === 'vn' ? { kind, vnid: Number(id) } : { kind, nveId: id };
  return { nveId, feed: read };
}
