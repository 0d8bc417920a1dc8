import type { EventStore, Position, RecordedEvent } from '@nva/ports';

type Streams = Pick<EventStore, 'readStream'>;

export async function readStream(log: Streams, stream: string, fromRevision: number, limit: number): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for await (const event of log.readStream(stream, { fromRevision, limit })) events.push(event);
  return events;
}

/**
 * The revision of the first event of a stream after a position, or, if there is none, the revision that the next event would
 * have. The search doubles the revision and then halves the interval, so a long stream costs a few reads of one event.
 */
export async function firstAfter(log: Streams, stream: string, position: Position): Promise<number> {
  const isAfter = async (revision: number): Promise<boolean> => {
    const [event] = await readStream(log, stream, revision, 1);
    return event === undefined || event.position > position;
  };
  let high = 0;
  let low = -1;
  while (!(await isAfter(high))) {
    low = high;
    high = 2 * high + 1;
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await isAfter(middle)) high = middle;
    else low = middle;
  }
  return high;
}
