import type { EventStore } from '@nva/ports';
import { expect } from 'vitest';
import type { Acknowledged } from './crash-writer.ts';

/** What a child acknowledged, from its standard output; a line cut short by its death was not said. */
export const acknowledgedIn = (output: string): Acknowledged[] =>
  output
    .slice(0, output.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line.startsWith('ack '))
    .map((line) => JSON.parse(line.slice(4)) as Acknowledged);

/** Every acknowledged event is where it was said to be, no append is there in part, and every stream is whole. */
export async function expectKept(store: EventStore, acknowledged: readonly Acknowledged[], when: string): Promise<void> {
  const streams = new Map<string, { ids: string[]; positions: number[] }>();
  const appends = new Map<string, number>();
  let last = 0;
  for await (const { events } of store.readAll()) {
    for (const { stream, revision, id, position, event } of events) {
      const kept = streams.get(stream) ?? { ids: [], positions: [] };
      if (revision !== kept.ids.length || position <= last)
        throw new Error(`${when}: «${stream}» has revision ${revision} at ${position} after ${kept.ids.length - 1} at ${last}`);
      kept.ids.push(id);
      kept.positions.push(position);
      streams.set(stream, kept);
      last = position;
      if (event.type === 'MacChanged') {
        const [name, , size] = event.data.tsId.split('|') as [string, string, string];
        appends.set(`${name} of ${size}`, (appends.get(`${name} of ${size}`) ?? 0) + 1);
      }
    }
  }
  const halves = [...appends].filter(([name, count]) => !name.endsWith(` of ${count}`));
  expect(halves, `${when}: half appends`).toEqual([]);
  const lost = acknowledged.filter(({ stream, revision, position, ids }) => {
    const kept = streams.get(stream);
    return kept?.positions[revision] !== position || ids.some((id, i) => kept.ids[revision - ids.length + 1 + i] !== id);
  });
  expect(lost, `${when}: acknowledged and lost`).toEqual([]);
}
