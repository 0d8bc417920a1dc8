import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SnapshotHeader, SnapshotKey } from '@nva/codec';
import { FeedDigests, Network, NetworkCapture, takeSnapshot, type NetworkSnapshot } from '@nva/fold';
import { systemTimers, type Clock, type Logger, type RecordedEvent } from '@nva/ports';
import { racyLog } from '../../fold/test/races.ts';
import type { SnapshotContents } from '../src/writing.ts';

export const LOG = '70f53541-0000-4000-8000-000000000001';
export const NEVER: AbortSignal = new AbortController().signal;

/** A fold of part of a log. */
export class Folded {
  readonly network = new Network();
  readonly digests = new FeedDigests();
  last: RecordedEvent | null = null;

  constructor(log: readonly RecordedEvent[]) {
    for (const event of log) this.fold(event);
  }

  fold(event: RecordedEvent): void {
    this.digests.apply(event.position, this.network.apply(event));
    this.last = event;
  }

  contents(keys: readonly SnapshotKey[] = []): SnapshotContents {
    const { version, versionRevision, position } = this.network;
    const { stream, revision, id } = this.last!;
    const header: SnapshotHeader = {
      logId: LOG,
      rulesVersion: version,
      rulesRevision: versionRevision,
      position,
      checkpoint: String(position),
      stream,
      revision,
      eventId: id,
      keys: true,
      ...this.network.time.state,
    };
    return { header, capture: new NetworkCapture(this.network), digests: this.digests.all(), keys };
  }
}

/** Some log with races in it, the same for the same seed. */
export const someLog = (seed: number, steps = 80): RecordedEvent[] =>
  fc.sample(racyLog(steps), { seed, numRuns: 20 }).toSorted((a, b) => b.length - a.length)[0]!;

/** A snapshot hands VNs and tenant systems out in an order of its own, which means nothing. */
export const sorted = (network: Network): NetworkSnapshot => {
  const snapshot = takeSnapshot(network);
  return {
    ...snapshot,
    vns: snapshot.vns.toSorted((a, b) => a.state.vnid - b.state.vnid),
    tenantSystems: snapshot.tenantSystems.toSorted((a, b) => ((a.name ?? a.state.tsId) < (b.name ?? b.state.tsId) ? -1 : 1)),
  };
};

export const someKeys: readonly SnapshotKey[] = [
  {
    actor: 'operator:alice liddell',
    key: 'first',
    requestDigest: 'aa',
    recordedAt: 1_790_000_000_000,
    position: 7,
    revision: 0,
    effective: true,
    conflicts: [],
    memberships: [1, 2],
  },
  {
    actor: 'nve:leaf-1',
    key: 'second',
    requestDigest: 'bb',
    recordedAt: 1_790_000_000_001,
    position: 9,
    revision: 3,
    effective: false,
    conflicts: [{ vnid: 1, address: '192.0.2.1', heldBy: 'ts9' }],
    memberships: [1],
  },
];

/** Goes on by a step each time that it is looked at. */
export class SteppingClock implements Clock {
  readonly after = systemTimers.after;
  readonly every = systemTimers.every;
  readonly turn = systemTimers.turn;
  #now = 0;
  readonly #stepMs: number;
  readonly #looked: () => void;

  constructor(stepMs = 1, looked: () => void = () => undefined) {
    this.#stepMs = stepMs;
    this.#looked = looked;
  }

  wallMs(): number {
    return 1_790_000_000_000;
  }

  monotonicMs(): number {
    this.#looked();
    return (this.#now += this.#stepMs);
  }
}

export interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function recordingLogger(): Logger & { readonly lines: Line[] } {
  const lines: Line[] = [];
  const at =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void lines.push({ level, message, fields });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export async function temporary(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'nva-snapshots-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
