import { eventStoreContract } from '../../../test/contract/event-store-contract.ts';
import { openStore, TemporaryDirectory } from './support.ts';
import type { SqliteEventStoreOptions } from '../src/index.ts';

function contractWith(name: string, limits: Partial<SqliteEventStoreOptions>): void {
  eventStoreContract(name, async () => {
    const directory = new TemporaryDirectory();
    let store = await openStore(directory.path, limits);
    return {
      store,
      reopen: async () => {
        await store.close();
        return (store = await openStore(directory.path, limits));
      },
      dispose: async () => {
        await store.close();
        directory[Symbol.dispose]();
      },
    };
  });
}

contractWith('SqliteEventStore', {});
// Every bound so small that each test runs into it.
contractWith('SqliteEventStore with narrow bounds', {
  queuedEvents: 8,
  queuedBytes: 2_048,
  groupBytes: 1,
  readChunkBytes: 1,
  batchEvents: 2,
  liveQueueEvents: 64,
});
