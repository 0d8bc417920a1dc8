import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Network, recordsOf, RULES, type FoldRules } from '@nva/fold';
import { silentLogger, type RecordedEvent } from '@nva/ports';
import { Replica } from '@nva/replica';
import { upgradeFold } from '../src/index.ts';
import { attach, ManualClock, nve, openLog, startNode, vn, type LogFixture } from './harness.ts';

/** As if a later build named contexts otherwise. */
const VERSIONS: readonly FoldRules[] = [
  ...RULES,
  { ...RULES[0]!, context: (state) => ({ ...RULES[0]!.context(state), name: `${state.name}, new` }) },
];

const clock = new ManualClock();
let log: LogFixture;

const contextOf = (network: Network): unknown =>
  [...recordsOf(network, { kind: 'vn', vnid: 1 })].find((record) => record.key === 'context');

async function upgrades(): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for await (const recorded of log.store.readStream('fold')) events.push(recorded);
  return events;
}

beforeEach(async () => {
  log = await openLog(clock);
});

afterEach(() => log.dispose());

describe('upgradeFold', () => {
  it('leaves a log that is at the newest rules as it is', async () => {
    const node = await startNode(log.store, clock);
    await upgradeFold(log.store, node.replica, clock, silentLogger);
    expect(await upgrades()).toEqual([]);
    await node.stop();
  });

  it('appends one event, whose position the differences carry, and every later start follows it', async () => {
    const old = await startNode(log.store, clock);
    await old.submit(vn(1), nve('nve1'), attach('ts1', 'nve1', 1));
    await old.stop();

    const renewed = await startNode(log.store, clock, { network: new Network(VERSIONS) });
    const before = [...recordsOf(renewed.replica.network, { kind: 'vn', vnid: 1 })];
    await upgradeFold(log.store, renewed.replica, clock, silentLogger);
    const [event, ...more] = await upgrades();
    expect(more).toEqual([]);
    expect(event!.event).toMatchObject({ type: 'FoldUpgraded', data: { fromVersion: 1, toVersion: 2, audit: { actor: 'system:fold' } } });
    expect(contextOf(renewed.replica.network)).toMatchObject({ position: event!.position, value: { data: { name: 'VN1, new' } } });
    const others = [...recordsOf(renewed.replica.network, { kind: 'vn', vnid: 1 })].filter((record) => record.key !== 'context');
    expect(others).toEqual(before.filter((record) => record.key !== 'context'));
    await renewed.stop();

    const again = await startNode(log.store, clock, { network: new Network(VERSIONS) });
    await upgradeFold(log.store, again.replica, clock, silentLogger);
    expect(await upgrades()).toHaveLength(1);
    expect(contextOf(again.replica.network)).toMatchObject({ position: event!.position });
    await again.stop();
  });

  it('is done once by two processes that start together', async () => {
    const [a, b] = await Promise.all([
      startNode(log.store, clock, { network: new Network(VERSIONS) }),
      startNode(log.store, clock, { network: new Network(VERSIONS) }),
    ]);
    await Promise.all([upgradeFold(log.store, a.replica, clock, silentLogger), upgradeFold(log.store, b.replica, clock, silentLogger)]);
    expect(await upgrades()).toHaveLength(1);
    expect([a.replica.network.version, b.replica.network.version]).toEqual([2, 2]);
    await Promise.all([a.stop(), b.stop()]);
  });

  it('stops a process of an older build, which could only guess from there on', async () => {
    const renewed = await startNode(log.store, clock, { network: new Network(VERSIONS) });
    await upgradeFold(log.store, renewed.replica, clock, silentLogger);
    await renewed.stop();
    const failed: unknown[] = [];
    await expect(new Replica(log.store, silentLogger).start((cause) => failed.push(cause))).rejects.toThrow(
      'version 2 of the rules; this build has versions 1 to 1',
    );
    expect(failed).toHaveLength(1);
  });
});
