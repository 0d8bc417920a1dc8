import { createEventCodec } from '@nva/codec';
import { systemClock, type AppendResult, type EventStore, type StreamAppend } from '@nva/ports';
import { eventStoreContract } from '../../../test/contract/event-store-contract.ts';
import { LogFollower, type SqliteEventStore } from '../src/index.ts';
import { openStore, TemporaryDirectory } from './support.ts';

/** A store that is read by a follower, which is told of every append that was answered. */
class FollowedStore implements EventStore {
  readonly logId: string;
  readonly keepsOrder = true;
  readonly #store: SqliteEventStore;
  readonly #follower: LogFollower;

  private constructor(store: SqliteEventStore, follower: LogFollower) {
    this.logId = store.logId;
    this.#store = store;
    this.#follower = follower;
  }

  static async open(directory: string): Promise<FollowedStore> {
    const store = await openStore(directory);
    const follower = new LogFollower({
      directory,
      logId: store.logId,
      codec: createEventCodec(),
      clock: systemClock,
      headOf: (stream) => store.headOf(stream),
    });
    follower.told((await store.head()).position);
    return new FollowedStore(store, follower);
  }

  async append(appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> {
    const results = await this.#store.append(appends);
    this.#follower.told((await this.#store.head().catch(() => ({ position: 0 }))).position);
    return results;
  }

  readonly readAllBackwards: EventStore['readAllBackwards'] = (options) => this.#store.readAllBackwards(options);
  readonly readStream: EventStore['readStream'] = (stream, options) => this.#follower.readStream(stream, options);
  readonly readAll: EventStore['readAll'] = (options) => this.#follower.readAll(options);
  readonly readAt: EventStore['readAt'] = (position) => this.#follower.readAt(position);
  readonly subscribe: EventStore['subscribe'] = (options) => this.#follower.subscribe(options);
  readonly checkpointAt: EventStore['checkpointAt'] = (position) => this.#follower.checkpointAt(position);
  readonly head: EventStore['head'] = () => this.#follower.head();

  async close(): Promise<void> {
    this.#follower.close();
    await this.#store.close();
  }
}

eventStoreContract('LogFollower', async () => {
  const directory = new TemporaryDirectory();
  let store = await FollowedStore.open(directory.path);
  return {
    store,
    reopen: async () => {
      await store.close();
      return (store = await FollowedStore.open(directory.path));
    },
    dispose: async () => {
      await store.close();
      directory[Symbol.dispose]();
    },
  };
});
