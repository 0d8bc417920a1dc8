import { NveClient, type LocalAttachment, type NveClientOptions, type Timers } from '@nva/nve';
import { contextEntry, mappingEntry, memberEntry, membershipEntry, ScriptedTransport, type Entry } from '@nva/nve/testing';

export const OTHER_LOG = 'bbbbbbbb-0000-4000-8000-000000000000';
export const vm = (n: number, nveId: string, fields: object = {}): Entry =>
  mappingEntry(`vm${n}`, nveId, { mac: `02:00:00:00:00:0${n}`, ip: `10.0.0.${n}`, ...fields });
export const vn = (vnid: number) => ({ kind: 'vn', vnid }) as const;
export const [context, nve1, nve2] = [contextEntry(100), memberEntry('nve1'), memberEntry('nve2')];
export const hosted = (n: number, fields: Partial<LocalAttachment> = {}): LocalAttachment => ({
  tsId: `vm${n}`,
  mac: `02:00:00:00:00:0${n}`,
  state: 'activated',
  bindings: [{ vnid: 100, vlan: null, ip: `10.0.0.${n}` }],
  ...fields,
});

/** Timers that fire when the test says so. */
export class HandTimers implements Timers {
  readonly #waiting = new Map<() => void, number>();

  after(delayMs: number, act: () => void): () => void {
    this.#waiting.set(act, delayMs);
    return () => this.#waiting.delete(act);
  }

  get delaysMs(): number[] {
    return [...this.#waiting.values()];
  }

  fire(wanted: (delayMs: number) => boolean = () => true): void {
    for (const [act, delayMs] of Array.from(this.#waiting)) {
      if (!wanted(delayMs)) continue;
      this.#waiting.delete(act);
      act();
    }
  }
}

/** A started client at nve2, what it told, and the transport that it follows by. */
export function clientAt(options: Partial<NveClientOptions> = {}) {
  const transport = new ScriptedTransport();
  const timers = new HandTimers();
  const client = new NveClient({ nveId: 'nve2', transport, timers, ...options });
  const told: string[] = [];
  client.on('change', ({ vnid, cause, position, changes }) => {
    const signs = changes.map(({ key, before, after }) => `${before ? (after ? '~' : '-') : '+'}${key}`);
    told.push(`${cause} ${vnid}@${position} ${signs.join(' ')}`);
  });
  client.on('joined', ({ vnid, membership }) => told.push(`joined ${vnid}@${membership.since}`));
  client.on('rejoined', ({ vnid, before, membership }) => told.push(`rejoined ${vnid}@${before.since} as @${membership.since}`));
  client.on('left', ({ vnid }) => told.push(`left ${vnid}`));
  client.on('degraded', ({ feed, keys }) => told.push(`degraded ${feed.kind} ${keys.join(' ')}`.trim()));
  client.on('interrupted', ({ feed, cause }) => told.push(`interrupted ${feed.kind} ${cause.message}`));
  client.on('resumed', ({ feed }) => told.push(`resumed ${feed.kind}`));
  client.on('incomplete', ({ feed }) => told.push(`incomplete ${feed.kind}`));
  client.on('doubtful', ({ vnid, reason }) => told.push(`doubtful ${vnid} ${reason ?? 'over'}`));
  client.on('disagreements', ({ vnid, disagreements }) =>
    told.push(`disagreements ${vnid} ${disagreements.map(({ tsId, kind }) => `${tsId}:${kind}`).join(' ')}`.trim()),
  );
  client.start();
  return {
    client,
    transport,
    timers,
    told,
    vmAt: (n: number) => client.resolve(100, { ip: `10.0.0.${n}` })?.outcome ?? null,
    forget: () => told.splice(0),
  };
}

/** A client in VN 100, with vm1 at nve1. */
export function clientInVn(options: Partial<NveClientOptions> = {}) {
  const made = clientAt(options);
  made.transport.nve('nve2').read([[5, membershipEntry(100, 5)]]);
  made.transport.vn(100).read([
    [3, context],
    [4, nve1, vm(1, 'nve1')],
    [5, nve2],
  ]);
  made.forget();
  return made;
}
