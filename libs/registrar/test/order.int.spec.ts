import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEventCodec } from '@nva/codec';
import type { Command } from '@nva/domain';
import { command } from '@nva/domain/testing';
import { GappedEventStore } from '@nva/event-log/testing';
import type { AppendResult, EventStore, StreamAppend } from '@nva/ports';
import { answer, attach, ManualClock, nve, startNode, vn, type Node } from './harness.ts';

/** The store, in which events of VNs always come to stand behind the others that were given with them, or while they were on their way. */
function vnsLast(store: EventStore): EventStore {
  const isLate = ({ stream }: StreamAppend): boolean => stream.startsWith('vn-');
  const append = async (appends: readonly StreamAppend[]): Promise<readonly AppendResult[]> => {
    const results: AppendResult[] = [];
    const take = async (which: (append: StreamAppend) => boolean): Promise<void> => {
      const places = appends.flatMap((one, place) => (which(one) ? [place] : []));
      const done = await store.append(places.map((place) => appends[place]!));
      places.forEach((place, i) => (results[place] = done[i]!));
    };
    await take((one) => !isLate(one));
    // Whatever is sent meanwhile stands before them too.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await take(isLate);
    return results;
  };
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'append') return append;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('on a log that keeps no order', () => {
  let node: Node;
  let store: GappedEventStore;

  beforeEach(async () => {
    store = new GappedEventStore({ codec: createEventCodec(), seed: 1 });
    node = await startNode(vnsLast(store), new ManualClock());
  });

  afterEach(async () => {
    await node.stop();
    await store.close();
  });

  const at = (n: number, vnid: number): Command => attach(`t${n}`, 'nve1', n, { bindings: [{ vnid, ip: `192.0.2.${n}` }] });

  it('what is attached to a VN stands behind the VN, though both were given at once', async () => {
    const outcomes = await node.submit(vn(1), nve('nve1'), at(1, 1), at(2, 1), vn(2), at(3, 2));
    expect(outcomes.map((outcome) => answer(outcome).effective)).toEqual([true, true, true, true, true, true]);
    expect(node.replica.network.vns.get(1)!.members.has('nve1')).toBe(true);
    const [one, , first, , two, third] = outcomes.map((outcome) => answer(outcome).position);
    expect(first).toBeGreaterThan(one!);
    expect(third).toBeGreaterThan(two!);
  });

  it('so does a binding that is registered while its VN is on its way', async () => {
    await node.submit(nve('nve1'), vn(1), at(1, 1));
    const made = node.submit(vn(2));
    const line = { bid: 2, vnid: 2, ip: '192.0.2.9' };
    const bound = node.submit(command('registerBindings', { tsId: 't1', bindings: [{ bid: 1, vnid: 1, ip: '192.0.2.1' }, line] }));
    expect(answer((await bound)[0]).position).toBeGreaterThan(answer((await made)[0]).position);
    expect(answer((await bound)[0])).toMatchObject({ effective: true, memberships: [1, 2] });
  });

  it('nothing waits for a VN that is there', async () => {
    await node.submit(vn(1), nve('nve1'));
    const made = node.submit(vn(2));
    const attached = node.submit(at(1, 1));
    expect(answer((await attached)[0]).position).toBeLessThan(answer((await made)[0]).position);
  });
});
