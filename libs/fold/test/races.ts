import fc from 'fast-check';
import type { NvaEvent } from '@nva/codec';
import type { Facts, TenantSystem } from '@nva/domain';
import { Aggregates, auditAt, command, streamOfEvent, underlayOf, type Decided } from '@nva/domain/testing';
import { Refusal } from '@nva/identifiers';
import type { RecordedEvent } from '@nva/ports';
import type { Command } from '@nva/domain';
import { factsOf, Network } from '../src/index.ts';

/** How far behind the log a registrar may decide in these logs, in events. */
const MAX_LAG = 4;

export interface Step {
  readonly command: Command;
  /**
   * How many events the deciding registrar has not folded yet. Its own stream it knows exactly: that is what the expected revision
   * is for.
   */
  readonly lag: number;
  /** It does not see who holds which address: the worst case of lagging behind. */
  readonly blind: boolean;
  readonly gap: number;
  /** What comes of the first event of a passing: it is recorded, another registrar comes before it, or after it. */
  readonly race?: 'none' | 'before' | 'after';
}

/** A small universe, so that addresses, VNIDs and NVEs collide all the time. VN 3 changes its tenant when it is purged. */
const vnid = fc.constantFrom(1, 2, 3);
const nveId = fc.constantFrom('nve1', 'nve2', 'nve3');
const tsId = fc.constantFrom('ts1', 'ts2', 'ts3', 'ts4', 'ts5');
const tenantId = fc.constantFrom('red', 'red', 'red', 'red', 'red', 'blue');
const mac = fc.constantFrom(
  '02:00:00:00:00:01',
  '02:00:00:00:00:02',
  '02:00:00:00:00:03',
  '02:00:00:00:00:04',
  '02:00:00:00:00:05',
  '02:00:00:00:00:06',
);
const ip = fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '2001:db8::1', '2001:db8::2');
const bid = fc.constantFrom(1, 2, 3);
const service = (id: number): 'l2' | 'l3' => (id === 2 ? 'l2' : 'l3');
const line = fc
  .record({ bid, vnid, ip: fc.option(ip, { nil: undefined }), vlan: fc.constantFrom(10, 20, undefined) })
  .map(({ bid: b, vnid: v, ip: i, vlan }) =>
    service(v) === 'l2'
      ? { bid: b, vnid: v, ...(vlan ? { vlan } : {}), ...(i ? { ip: i } : {}) }
      : { bid: b, vnid: v, ip: i ?? '192.0.2.5' },
  );
const lines = fc.uniqueArray(line, { maxLength: 3, size: 'max', selector: (l) => l.bid });
/** Any tenant may have any id. Who does not say the tenant means the only one there is, or is refused. */
const ts = fc.record({ tsId, tenantId }).map((named) => ({ ...named, vmId: `vm-${named.tsId}` }));
const meant = fc
  .record({ tsId, tenantId: fc.option(tenantId, { nil: undefined }) })
  .map(({ tsId: id, tenantId: tenant }) => ({ tsId: id, ...(tenant === undefined ? {} : { tenantId: tenant }) }));

/** Of one process, or of a group whose owner it was at the time of a takeover: the last one, or an earlier. */
const owned = fc.constantFrom({}, { group: 'east', back: 0 }, { group: 'east', back: 1 }, { group: 'west', back: 0 });

/** To be made whole by `withPassing`. */
export const passings = fc
  .record({
    holder: fc.nat(),
    taker: fc.nat(),
    binding: fc.nat(),
    what: fc.constantFrom('ip', 'ip', 'ips', 'mac', 'both'),
    forMac: fc.option(mac, { nil: undefined }),
    bid: fc.option(bid, { nil: undefined }),
  })
  .map((picks) => command('passAddress', { picks }));

export const commands = fc.oneof(
  {
    weight: 16,
    arbitrary: fc
      .record({
        ts,
        nveId,
        mac,
        bindings: fc.option(lines, { nil: undefined }),
        state: fc.constantFrom('associated', 'activated'),
        placement: fc.constantFrom('move', 'add'),
      })
      .map(({ ts: t, bindings, ...rest }) => command('attach', { ...t, ...rest, ...(bindings ? { bindings } : {}) })),
  },
  { weight: 2, arbitrary: fc.record({ meant, nveId }).map(({ meant: m, ...c }) => command('detach', { ...m, ...c })) },
  { weight: 1, arbitrary: meant.map((m) => command('remove', m)) },
  {
    weight: 6,
    arbitrary: fc
      .record({ meant, bindings: fc.uniqueArray(line, { minLength: 1, maxLength: 2, selector: (l) => l.bid }) })
      .map(({ meant: m, ...c }) => command('registerBindings', { ...m, ...c })),
  },
  { weight: 1, arbitrary: fc.record({ meant, bid }).map(({ meant: m, ...c }) => command('deregisterBinding', { ...m, ...c })) },
  { weight: 2, arbitrary: fc.record({ meant, mac }).map(({ meant: m, ...c }) => command('changeMac', { ...m, ...c })) },
  { weight: 6, arbitrary: passings },
  {
    weight: 3,
    arbitrary: fc
      .record({ meant, nveId, vnid: fc.option(vnid, { nil: undefined }) })
      .map(({ meant: m, ...c }) => command('connectionFailure', { ...m, ...c })),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({ vnid, tenantId, name: fc.constantFrom('a', 'b') })
      .map((c) => command('putVn', { ...c, service: service(c.vnid), encapsulation: 'vxlan' })),
  },
  { weight: 2, arbitrary: vnid.map((v) => command('deleteVn', { vnid: v })) },
  { weight: 1, arbitrary: vnid.map((v) => command('purgeVn', { vnid: v })) },
  { weight: 1, arbitrary: vnid.map((v) => command('releaseVn', { vnid: v, reason: 'r' })) },
  {
    weight: 2,
    arbitrary: fc
      .record({
        nveId,
        incarnation: fc.constantFrom(1, 2),
        mac,
        at: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, nveId),
        force: fc.boolean(),
      })
      .map(({ at, ...c }) => command('connectNve', { ...c, siteId: 's', addresses: [underlayOf(at ?? c.nveId)] })),
  },
  { weight: 2, arbitrary: fc.record({ nveId, forget: fc.constantFrom(false, false, true) }).map((c) => command('disconnectNve', c)) },
  { weight: 1, arbitrary: fc.constantFrom('east', 'west').map((group) => command('takeOver' as Command['type'], { group })) },
  {
    weight: 2,
    arbitrary: fc
      .record({ nveId, incarnation: fc.constantFrom(1, 2), owned })
      .map(({ owned: o, ...c }) => command('lapseNve', { ...c, ...o })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ meant, bid, owned })
      .map(({ meant: m, bid: b, owned: o }) => command('lapseBindings', { ...m, bids: [b], ...o })),
  },
  { weight: 1, arbitrary: fc.record({ nveId, incarnation: fc.constantFrom(1, 2) }).map((c) => command('heartbeat', c)) },
);

interface Picks {
  readonly holder: number;
  readonly taker: number;
  readonly binding: number;
  readonly what: 'ip' | 'ips' | 'mac' | 'both';
  readonly forMac: string | undefined;
  readonly bid: number | undefined;
}

/** Something that there is to pass, and somebody of the tenant to take it; else a command that is refused. */
export function withPassing(wanted: Command, tenantSystems: readonly TenantSystem[]): Command {
  const { picks } = wanted as Command & { readonly picks?: Picks };
  if (!picks) return wanted;
  const attached = tenantSystems.filter((one) => one.attachments.length > 0);
  const holder = picked(
    attached.filter(({ bindings }) => bindings.length > 0),
    picks.holder,
  );
  const taker = picked(
    attached.filter((one) => one !== holder && one.tenantId === holder?.tenantId),
    picks.taker,
  );
  const binding = picked(holder?.bindings ?? [], picks.binding);
  if (!holder || !taker || !binding) return command('passAddress', { tsId: 'ts1', to: 'ts1' });
  const forIp = picks.what === 'ips' ? taker.bindings.find(({ vnid: v, ip: i }) => v === binding.vnid && i !== null)?.ip : undefined;
  const ofIp =
    picks.what === 'mac' || binding.ip === null
      ? {}
      : { vnid: binding.vnid, ip: binding.ip, ...(forIp ? { forIp } : picks.bid ? { bid: picks.bid } : {}) };
  const ofMac = picks.what === 'ip' || picks.what === 'ips' ? {} : { mac: holder.mac, ...(picks.forMac ? { forMac: picks.forMac } : {}) };
  return command('passAddress', { tsId: holder.tsId, tenantId: holder.tenantId, to: taker.tsId, ...ofIp, ...ofMac });
}

const picked = <T>(list: readonly T[], pick: number): T | undefined => list[pick % list.length];

export const prelude: readonly Step[] = [
  ...[1, 2].map((v) => command('putVn', { vnid: v, tenantId: 'red', name: 'a', service: service(v), encapsulation: 'vxlan' })),
  ...['nve1', 'nve2'].map((n) =>
    command('connectNve', { nveId: n, siteId: 's', mac: '02:00:00:00:00:0a', addresses: [underlayOf(n)], incarnation: 1 }),
  ),
].map((c) => ({ command: c, lag: 0, blind: false, gap: 1 }));

/**
 * Logs as several registrars would write them: each decides on a fold that is up to MAX_LAG events old, so that duplicate addresses,
 * attaches into deleted and re-created VNs, and attaches at forgotten NVEs do get into the log.
 */
export const racyLog = (maxSteps = 80): fc.Arbitrary<RecordedEvent[]> =>
  fc
    .array(
      fc.record({
        command: commands,
        lag: fc.nat({ max: MAX_LAG }),
        blind: fc.boolean(),
        gap: fc.integer({ min: 1, max: 3 }),
        race: fc.constantFrom('none' as const, 'none' as const, 'before' as const, 'after' as const),
      }),
      { minLength: 1, maxLength: maxSteps, size: 'max' },
    )
    .map((steps) => play([...prelude, ...steps]));

export function play(steps: readonly Step[]): RecordedEvent[] {
  const aggregates = new Aggregates();
  const replicas = Array.from({ length: MAX_LAG + 1 }, () => new Network());
  const log: RecordedEvent[] = [];
  let position = 0;
  const takeovers = new Map<string, number[]>();
  for (const { command: wanted, lag, blind, gap, race } of steps) {
    const next = withPassing(
      withOwner(wanted, takeovers),
      aggregates.tenantSystems().map(({ ts: one }) => one),
    );
    const seen = factsOf(replicas[lag]!);
    const facts: Facts = blind ? { ...seen, holder: () => undefined, vnInUse: () => false, attachmentsAt: () => 0 } : seen;
    let decided: readonly Decided[];
    try {
      const takeover = takeoverBy(next);
      decided = takeover
        ? [{ stream: streamOfEvent(takeover), event: takeover }]
        : aggregates.decide(next, facts, auditAt(1_790_000_000_000 + log.length * 1_000));
    } catch (error) {
      if (error instanceof Refusal) continue;
      throw error;
    }
    for (const { stream, event } of raced(decided, race)) {
      position += gap;
      if (event.type === 'OracleTookOver') takeovers.set(event.data.group, [...(takeovers.get(event.data.group) ?? []), position]);
      aggregates.evolve(event, stream);
      log.push({ position, stream, revision: aggregates.revision(stream), id: `event-${position}`, event });
      replicas.forEach((replica, behind) => {
        const due = log.at(-1 - behind);
        if (due) replica.apply(due);
      });
    }
  }
  return log;
}

/** Another registrar has the taker's stream: at the revision that the first event of a passing was to have, or at the next one. */
function raced(decided: readonly Decided[], race: Step['race']): readonly Decided[] {
  const [awaited, passed] = decided;
  if (!passed || race === undefined || race === 'none') return decided;
  const another: Decided = {
    stream: awaited!.stream,
    event: {
      type: 'MacChanged',
      data: { audit: auditAt(0), tsId: (awaited!.event.data as { tsId: string }).tsId, mac: '02:00:00:00:00:07' },
    },
  };
  return race === 'before' ? [another, passed] : [awaited!, another, passed];
}

function takeoverBy(next: { readonly type: string; readonly group?: string }): NvaEvent | null {
  return next.type === 'takeOver'
    ? { type: 'OracleTookOver', data: { audit: auditAt(0), group: next.group!, oracleId: 'o', url: 'http://127.0.0.1:1' } }
    : null;
}

/** A lapse of a group names the takeover that it goes back to: `back` before the last, or one that never was. */
function withOwner(wanted: Command, takeovers: ReadonlyMap<string, readonly number[]>): Command {
  const { back, ...rest } = wanted as Command & { readonly back?: number; readonly group?: string };
  return back === undefined ? wanted : ({ ...rest, owner: takeovers.get(rest.group!)?.at(-1 - back) ?? 0 } as Command);
}
