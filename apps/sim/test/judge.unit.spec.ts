import { auditAt, command, World as Commands } from '@nva/domain/testing';
import type { Command } from '@nva/domain';
import type { Answer } from '@nva/registrar';
import { beforeEach, describe, expect, it } from 'vitest';
import { Judge } from '../src/judge.ts';
import { EPOCH_MS } from '../src/process-clock.ts';
import { SimBrokers } from '../src/sim-brokers.ts';
import { SimLog } from '../src/sim-log.ts';
import { World } from '../src/world.ts';

let world: World;
let log: SimLog;
let brokers: SimBrokers;
let judge: Judge;
let commands: Commands;

/** Appends what a command comes to; returns its position. */
function given(next: Command, key: string | null = null): number {
  const decided = commands.aggregates.decide(next, commands.facts, { ...auditAt(EPOCH_MS + world.nowMs), idempotencyKey: key });
  for (const { stream, event } of decided) {
    commands.aggregates.evolve(event, stream);
    log.append({ stream, expectedRevision: commands.aggregates.revision(stream) - 1, events: [{ id: `${log.size}`, event }] });
  }
  return log.head;
}

beforeEach(() => {
  world = new World(1);
  log = new SimLog(world, 'shared', 'log');
  brokers = new SimBrokers(world, true);
  judge = new Judge(log, brokers, world);
  commands = new Commands();
  given(command('putVn', { vnid: 1, tenantId: 'red', name: 'a', service: 'l3', encapsulation: 'vxlan' }));
  given(
    command('connectNve', { nveId: 'nve1', siteId: 's', mac: '02:00:00:00:0a:01', addresses: ['198.51.100.1'], incarnation: 1, leaseS: 5 }),
  );
});

const attach = command('attach', {
  tsId: 't1',
  nveId: 'nve1',
  tenantId: 'red',
  vmId: 'v',
  mac: '02:00:00:00:00:01',
  bindings: [{ vnid: 1, ip: '192.0.2.1' }],
});
const KEY = 'mapping/t1/192.0.2.1';
const mapping = {
  tsId: 't1',
  bid: null,
  mac: '02:00:00:00:00:01',
  ip: '192.0.2.1',
  vlan: null,
  attachments: [{ nveId: 'nve1', state: 'activated' }],
  mobility: 0,
  via: null,
};
const at = (position: number): Answer => ({ recorded: true, position, revision: 0, effective: true, conflicts: [], memberships: [] });
const UNTROUBLED = { refusal: null, untroubled: true } as const;

describe('the judge notices', () => {
  it('a write that was acknowledged and is not in the log, or elsewhere, or twice', () => {
    const position = given(attach, 'k');
    judge.told({ key: 'k', answer: at(position), ...UNTROUBLED });
    judge.judgeTold();
    expect(judge.broken).toBeNull();
    judge.told({ key: 'other', answer: at(position), ...UNTROUBLED });
    judge.judgeTold();
    expect(judge.broken?.message).toContain('command other was acknowledged');
  });

  it('one command that is in the log twice', () => {
    given(attach, 'k');
    given(command('changeMac', { tsId: 't1', mac: '02:00:00:00:00:02' }), 'k');
    judge.told({ key: 'k', answer: null, refusal: 'outcome-unknown', untroubled: false });
    judge.judgeTold();
    expect(judge.broken?.message).toContain('is in the log 2 times');
  });

  it('a refusal of what was done', () => {
    given(attach, 'k');
    judge.told({ key: 'k', answer: null, refusal: 'vn-unknown', untroubled: true });
    judge.judgeTold();
    expect(judge.broken?.message).toContain('was refused (vn-unknown), and is in the log');
  });

  it('what an NVE shows and never was, and what it withdrew and nothing had ended', () => {
    given(attach);
    judge.shown('nve1', 1, KEY, null, mapping);
    expect(judge.broken).toBeNull();
    judge.shown('nve1', 1, KEY, mapping, null);
    expect(judge.broken?.message).toContain('nothing had ended it');
  });

  it('a value that nobody ever published', () => {
    given(attach);
    judge.shown('nve1', 1, KEY, null, { ...mapping, mac: '02:00:00:00:00:09' });
    expect(judge.broken?.message).toContain('which it never was');
  });

  it('a record that an NVE was handed of a VN in which it never was', () => {
    const position = given(attach);
    const record = { key: KEY, value: null, position, log: 'log', changeEnd: true };
    judge.delivered('nve1', { kind: 'vn', vnid: 1 }, record);
    expect(judge.broken).toBeNull();
    judge.delivered('nve2', { kind: 'vn', vnid: 1 }, record);
    expect(judge.broken?.message).toContain('for which it never was there');
  });

  it('a lease that runs out while its NVE says that it is there', async () => {
    for (let beat = 0; beat < 4; beat++) {
      judge.beats('nve1', true);
      await world.run(world.nowMs + 1_250);
    }
    given(command('lapseNve', { nveId: 'nve1', incarnation: 1 }));
    expect(judge.broken?.message).toContain('ran out after 5000 ms in which it sent');
  });

  it('a feed that is not the fold, and a right that is there and not due', () => {
    expect(judge.unsettled([], false)).toContain('vn/1: context is not there');
    brokers.rights.add('nve1 vn/1');
    expect(judge.unsettled([], false)).toContain('context is not there');
  });
});
