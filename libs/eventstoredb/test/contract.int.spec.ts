import { vi } from 'vitest';
import { eventStoreContract } from '../../../test/contract/event-store-contract.ts';
import type { EventStoreDbLimits } from '../src/index.ts';
import { freshPrefix, openStore, REAL_URL, startStandIn } from './support.ts';

// The suite appends up to 40,000 events in one test; here each is a message over a socket, with both ends in this process.
vi.setConfig({ testTimeout: 120_000 });

function contractWith(name: string, limits: Partial<EventStoreDbLimits>): void {
  eventStoreContract(name, async () => {
    const server = REAL_URL === undefined ? await startStandIn() : null;
    const url = server?.standIn.url ?? REAL_URL!;
    const prefix = freshPrefix();
    let store = await openStore(url, { prefix, ...limits });
    return {
      store,
      reopen: async () => {
        await store.close();
        return (store = await openStore(url, { prefix, ...limits }));
      },
      dispose: async () => {
        await store.close();
        await server?.dispose();
      },
    };
  });
}

contractWith('EventStoreDbEventStore', {});
// Every bound so small that each test runs into it.
contractWith('EventStoreDbEventStore with narrow bounds', { queuedEvents: 8, batchEvents: 7, readAheadEvents: 1 });
