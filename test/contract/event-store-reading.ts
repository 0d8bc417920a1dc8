import type { EventStore, ReadAllOptions, RecordedEvent, StreamAppend } from '@nva/ports';

/** Field by field: an adapter may compute fields when they are asked for. */
export const plain = ({ position, stream, revision, id, event }: RecordedEvent) => ({ position, stream, revision, id, event });
export const seen = ({ stream, revision, id, event }: Omit<RecordedEvent, 'position'>) => ({ stream, revision, id, event });

export async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of iterable) all.push(item);
  return all;
}

export const allOf = async (store: EventStore, options: ReadAllOptions = {}): Promise<RecordedEvent[]> =>
  (await collect(store.readAll(options))).flatMap(({ events }) => [...events]);
export const ids = (events: readonly { readonly id: string }[]): string[] => events.map(({ id }) => id);
export const idsOf = (appends: readonly StreamAppend[]): string[] => appends.flatMap(({ events }) => ids(events));
