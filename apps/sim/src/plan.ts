import { Seeded } from '@nva/event-log/testing';
import type { LogKind } from './sim-log.ts';

/** The content of a history: enough to play it again, or a part of it. Times are milliseconds since its beginning. */
export interface Plan {
  /** The seed of everything that is not in the plan: the delays of messages, and which are lost. */
  readonly seed: number;
  readonly setting: Setting;
  readonly steps: readonly Step[];
}

export interface Setting {
  readonly log: LogKind;
  /** 1 if the log is embedded: one process then has every role. */
  readonly registrars: number;
  readonly distributors: number;
  readonly nves: number;
  readonly leaseS: number;
  /** Whether the brokers check who may read. */
  readonly rights: boolean;
  /** Percentage of messages that are lost, all the time. */
  readonly lossPercent: number;
  /** Maximum delay of a message, ms. */
  readonly maxDelayMs: number;
}

export type Step = CommandStep | FaultStep;

/** A command that a caller gives; each caller gives its commands one after the other. */
export interface CommandStep {
  readonly atMs: number;
  readonly caller: number;
  /** null means an operator; else the number of the NVE that gives the command. */
  readonly nve: number | null;
  readonly command: Readonly<Record<string, unknown>> & { readonly type: string };
}

export type FaultStep = { readonly atMs: number } & Fault;

export type Fault =
  /** A process ends as by SIGKILL; another one starts after `forMs`. */
  | { readonly fault: 'crash'; readonly process: number; readonly forMs: number }
  /** A process is stopped, and continues after `forMs`. */
  | { readonly fault: 'stop'; readonly process: number; readonly forMs: number }
  /** A second process starts with the shards of a distributor; the first one is not ended. */
  | { readonly fault: 'takeover'; readonly process: number }
  | { readonly fault: 'cut-from-log'; readonly process: number; readonly forMs: number }
  | { readonly fault: 'cut-from-brokers'; readonly process: number; readonly forMs: number }
  /** The log does not answer any process. */
  | { readonly fault: 'log-down'; readonly forMs: number }
  | { readonly fault: 'brokers-down'; readonly forMs: number }
  /** Many messages are lost. */
  | { readonly fault: 'storm'; readonly forMs: number; readonly lossPercent: number }
  | { readonly fault: 'delete-topic'; readonly topic: number }
  /** The brokers lose everything, topics and rights. */
  | { readonly fault: 'empty-brokers' }
  /** All topics become empty, but keep their ids. */
  | { readonly fault: 'empty-topics' }
  | { readonly fault: 'compact'; readonly keep: number }
  /** The wall clock of a process's machine jumps. */
  | { readonly fault: 'clock'; readonly process: number; readonly byMs: number }
  /** The log loses its last `events` events, as after a restore from a backup. Only for an embedded log. */
  | { readonly fault: 'restore'; readonly events: number }
  | { readonly fault: 'crash-nve'; readonly nve: number; readonly forMs: number }
  | { readonly fault: 'stop-nve'; readonly nve: number; readonly forMs: number }
  | { readonly fault: 'cut-nve-from-brokers'; readonly nve: number; readonly forMs: number }
  | { readonly fault: 'cut-nve-from-nva'; readonly nve: number; readonly forMs: number };

export const isFault = (step: Step): step is FaultStep => 'fault' in step;

export const CALLERS = 4;
const VNIDS = [100, 101, 102, 103] as const;
const TENANTS = ['red', 'blue'] as const;
const TS_IDS = ['vm-1', 'vm-2', 'vm-3', 'vm-4'] as const;
const MACS = ['02:00:00:00:00:01', '02:00:00:00:00:02', '02:00:00:00:00:03', '02:00:00:00:00:04'] as const;
const IPS = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5'] as const;
const ENCAPSULATION = 'vxlan';
const LAST_STEP_MS = 24_000;
const FIRST_STEP_MS = 1_500;
/** Half of the commands come in bursts of this length, so that they collide. */
const BURST_MS = 30;

/** Number of processes; registrars come before distributors. */
export const processesOf = ({ log, registrars, distributors }: Setting): number => (log === 'embedded' ? 1 : registrars + distributors);
export const nveName = (nve: number): string => `nve-${nve}`;
export const vnTenant = (vnid: number): string => TENANTS[vnid % TENANTS.length]!;

/** The history of a seed. */
export function planOf(seed: number): Plan {
  const random = new Seeded(seed);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const chance = (percent: number): boolean => random.below(100) < percent;
  const log: LogKind = chance(35) ? 'embedded' : 'shared';
  const setting: Setting = {
    log,
    registrars: log === 'embedded' ? 1 : 1 + random.below(3),
    distributors: log === 'embedded' ? 1 : 1 + random.below(2),
    nves: 2 + random.below(3),
    leaseS: pick([5, 8, 15]),
    rights: chance(50),
    lossPercent: pick([0, 0, 1, 3]),
    maxDelayMs: pick([3, 10, 40]),
  };
  const commands = 10 + random.below(30);
  const steps: Step[] = VNIDS.map((vnid) => ({ atMs: 0, caller: 0, nve: null, command: putVn(vnid, vnTenant(vnid), 'first') }));
  const bursts = Array.from({ length: 1 + random.below(4) }, () => random.below(LAST_STEP_MS));
  for (let i = 0; i < commands; i++)
    steps.push(commandStep(random, setting, chance(50) ? pick(bursts) + random.below(BURST_MS) : random.below(LAST_STEP_MS), pick, chance));
  const faults: FaultStep[] = [];
  for (let left = chance(15) ? 0 : 1 + random.below(5); left > 0; left--)
    faults.push({ atMs: FIRST_STEP_MS + random.below(LAST_STEP_MS), ...fault(random, setting, pick) });
  return { seed, setting, steps: [...steps, ...survivable(faults)].toSorted((a, b) => a.atMs - b.atMs) };
}

/**
 * Leaves out faults that would hide a restore. A restored log is detected by the records on the brokers. If those are lost too,
 * only the memory of NVEs shows the restore, and an operator must check (docs/design/log).
 */
function survivable(faults: readonly FaultStep[]): readonly FaultStep[] {
  const restored = faults.some(({ fault: kind }) => kind === 'restore');
  return restored
    ? faults.filter(({ fault: kind }) => kind !== 'empty-brokers' && kind !== 'empty-topics' && kind !== 'delete-topic')
    : faults;
}

type Pick = <T>(list: readonly T[]) => T;
type Chance = (percent: number) => boolean;

const putVn = (vnid: number, tenantId: string, name: string) => ({
  type: 'putVn',
  vnid,
  tenantId,
  name,
  service: vnid % 4 < 2 ? 'l3' : 'l2',
  encapsulation: ENCAPSULATION,
});

/** The usual address of a tenant system, so that there are addresses to pass and to contend for. */
const ipOf = (tsId: string): string => IPS[(TS_IDS as readonly string[]).indexOf(tsId)]!;

/** In an L3 VN a binding needs an IP; in an L2 VN it may have one. */
function line(random: Seeded, tsId: string, vnid: number, pick: Pick, chance: Chance): Record<string, unknown> {
  return {
    vnid,
    ...((vnid % 4 < 2 || chance(50)) && { ip: chance(60) ? ipOf(tsId) : pick(IPS) }),
    ...(chance(12) && { lifetimeS: 2 + random.below(8) }),
    ...(chance(90) && { bid: 1 + (vnid % 4) + (chance(10) ? 4 : 0) }),
  };
}

function commandStep(random: Seeded, { nves }: Setting, laterMs: number, pick: Pick, chance: Chance): CommandStep {
  const caller = random.below(CALLERS);
  const atMs = FIRST_STEP_MS + laterMs;
  const nve = random.below(nves);
  const tenantId = pick(TENANTS);
  const tsId = pick(TS_IDS);
  const vnids = VNIDS.filter((vnid) => vnTenant(vnid) === tenantId);
  const by = (command: CommandStep['command'], operator = chance(50)): CommandStep => ({
    atMs,
    caller,
    nve: operator ? null : nve,
    command,
  });
  const kind = random.below(100);
  if (kind < 40) {
    const bindings = vnids.filter(() => chance(65)).map((vnid) => line(random, tsId, vnid, pick, chance));
    const extra = { ...(chance(15) && { placement: 'add' }), ...(chance(15) && { state: 'associated' }), ...(chance(85) && { bindings }) };
    return by({
      type: 'attach',
      nveId: nveName(nve),
      tsId,
      tenantId,
      vmId: `${tenantId}-${tsId}`,
      mac: chance(70) ? MACS[TS_IDS.indexOf(tsId)]! : pick(MACS),
      ...extra,
    });
  }
  if (kind < 52) return by({ type: 'detach', nveId: nveName(nve), tsId, tenantId });
  if (kind < 56) return by({ type: 'remove', tsId, tenantId }, true);
  if (kind < 61) return by({ type: 'changeMac', tsId, tenantId, mac: pick(MACS) });
  if (kind < 69) return by({ type: 'registerBinding', tsId, tenantId, ...line(random, tsId, pick(vnids), pick, chance) });
  if (kind < 73) return by({ type: 'deregisterBinding', tsId, tenantId, bid: 1 + (pick(vnids) % 4) });
  if (kind < 84) return by(passing(random, tenantId, tsId, vnids, pick, chance));
  if (kind < 87) return by({ type: 'connectionFailure', tsId, tenantId, nveId: nveName(nve), ...(chance(50) && { vnid: pick(vnids) }) });
  const vnid = pick(VNIDS);
  if (kind < 91) return by(putVn(vnid, chance(85) ? vnTenant(vnid) : pick(TENANTS), pick(['first', 'second'])), true);
  if (kind < 95) return by({ type: 'deleteVn', vnid }, true);
  if (kind < 97) return by({ type: 'releaseVn', vnid, reason: 'wanted elsewhere' }, true);
  return by({ type: 'disconnectNve', nveId: nveName(nve) });
}

function passing(
  random: Seeded,
  tenantId: string,
  tsId: string,
  vnids: readonly number[],
  pick: Pick,
  chance: Chance,
): CommandStep['command'] {
  const to = pick(TS_IDS.filter((other) => other !== tsId));
  const macOf = (id: string): string => MACS[(TS_IDS as readonly string[]).indexOf(id)]!;
  const ip = chance(60);
  return {
    type: 'passAddress',
    tsId,
    tenantId,
    to,
    ...(ip && {
      vnid: pick(vnids),
      ip: chance(80) ? ipOf(tsId) : pick(IPS),
      ...(chance(30) && { forIp: ipOf(to) }),
      ...(chance(20) && { lifetimeS: 2 + random.below(8) }),
    }),
    ...((!ip || chance(30)) && { mac: macOf(tsId), forMac: macOf(to) }),
  };
}

function fault(random: Seeded, setting: Setting, pick: Pick): Fault {
  const process = random.below(processesOf(setting));
  const nve = random.below(setting.nves);
  const forMs = pick([200, 1_000, 4_000, 12_000]);
  const shared: readonly Fault[] =
    setting.log === 'embedded'
      ? [{ fault: 'restore', events: 1 + random.below(8) }]
      : [
          { fault: 'cut-from-log', process, forMs },
          { fault: 'log-down', forMs },
          { fault: 'takeover', process },
        ];
  return pick<Fault>([
    { fault: 'crash', process, forMs: pick([100, 1_000, 5_000]) },
    { fault: 'crash', process, forMs: pick([100, 1_000, 5_000]) },
    { fault: 'stop', process, forMs },
    { fault: 'cut-from-brokers', process, forMs },
    { fault: 'brokers-down', forMs },
    { fault: 'storm', forMs, lossPercent: pick([10, 30]) },
    { fault: 'delete-topic', topic: random.below(8) },
    { fault: 'empty-brokers' },
    // Only with one distributor. With several, each may find a topic emptied after another distributor has filled it; only the
    // hourly comparison detects that.
    ...(setting.distributors === 1 ? [{ fault: 'empty-topics' } as const] : []),
    { fault: 'compact', keep: random.below(4) },
    { fault: 'clock', process, byMs: pick([-3_600_000, -5_000, 5_000, 3_600_000, 40 * 24 * 3_600_000]) },
    { fault: 'crash-nve', nve, forMs },
    { fault: 'stop-nve', nve, forMs },
    { fault: 'cut-nve-from-brokers', nve, forMs },
    { fault: 'cut-nve-from-nva', nve, forMs },
    ...shared,
  ]);
}
