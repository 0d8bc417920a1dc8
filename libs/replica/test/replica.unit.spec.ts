import { describe, expect, it } from 'vitest';
import type { Audit, NvaEvent } from '@nva/codec';
import { silentLogger, type EventStore, type RecordedEvent } from '@nva/ports';
import { EVENTS_PER_SLICE, Replica } from '../src/replica.ts';

const EVENTS = 1_000;
const audit: Audit = { recordedAt: 0, actor: 'operator:spec', correlationId: 'spec', idempotencyKey: null, requestDigest: null };
const created = (vnid: number): NvaEvent => ({
  type: 'VnCreated',
  data: { audit, vnid, tenantId: 'red', name: 'VN', service: 'l3', encapsulation: 'vxlan', policies: { access: {}, tunnel: {} } },
});

/** A log that hands all of its events over at once, after its reader has caught up. */
function logOf(events: readonly RecordedEvent[]): EventStore {
  const subscribe: EventStore['subscribe'] = async function* ({ signal }) {
    yield { kind: 'caught-up' };
    yield { kind: 'events', events, checkpoint: String(events.length) };
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  };
  return { subscribe } as unknown as EventStore;
}

describe('a replica', () => {
  it('that is given a thousand events at once folds them in slices, between which the event loop goes round', async () => {
    const events = Array.from({ length: EVENTS }, (_, i): RecordedEvent => ({
      position: i + 1,
      stream: `vn-${i + 1}`,
      revision: 0,
      id: String(i),
      event: created(i + 1),
    }));
    const replica = new Replica(logOf(events), silentLogger);
    const slices = [0];
    replica.onFolded(() => slices[slices.length - 1]!++);
    let over = false;
    const round = (): void => {
      if (over) return;
      if (slices.at(-1) !== 0) slices.push(0);
      setImmediate(round);
    };
    setImmediate(round);
    await replica.start((cause) => {
      throw cause;
    });
    await replica.passed(EVENTS);
    over = true;
    expect(slices.reduce((sum, count) => sum + count)).toBe(EVENTS);
    expect(Math.max(...slices)).toBeLessThanOrEqual(EVENTS_PER_SLICE);
    expect(replica.network.vns.size).toBe(EVENTS);
    await replica.stop();
  });
});
