import type { FeedBatch, FeedName, FeedRecord } from '@nva/ports';
import { ipOf, macOf, nveIdOf, tsIdOf } from './workload.ts';

/** A clock that both processes share. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export const VNS = 64;
export const BUSY: readonly FeedName[] = Array.from({ length: VNS }, (_, v) => ({ kind: 'vn', vnid: v + 1 }));
/** The feed of single and stale records; nothing else is written to it. */
export const WATCHED: FeedName = { kind: 'vn', vnid: VNS + 1 };
/** The position of the records of a superseded writer. */
export const STALE_POSITION = 1;

const NVES = 10;
const KEYS_PER_VN = 312;
const LOG = '5a6ff1b2-9c43-4b5e-8f5c-0b8f1f6f3f10';

/** About 300 bytes on Kafka: 32 of key, 79 of value, six headers. */
export function mapping(i: number, position: number): FeedRecord {
  return {
    key: `mapping/${tsIdOf(i)}/${ipOf(i)}`,
    value: {
      type: 'Mapping',
      data: {
        tsId: tsIdOf(i),
        bid: i + 1,
        mac: macOf(i),
        ip: ipOf(i),
        vlan: 1 + (i % 4_000),
        attachments: [0, 1].map((n) => ({ nveId: nveIdOf((i + n) % NVES), state: 'activated' as const })),
        mobility: 0,
        via: null,
      },
    },
    position,
    log: LOG,
    changeEnd: true,
    eventType: 'TenantSystemAttached',
    correlationId: LOG,
    recordedAt: 1_790_000_000_000,
  };
}

/** A call's records, spread evenly over the busy VNs; a key always belongs to the same VN. */
export function spread(count: number, position: number): FeedBatch[] {
  const byVn = BUSY.map((feed) => ({ feed, records: [] as FeedRecord[] }));
  for (let n = position; n < position + count; n++)
    byVn[n % VNS]!.records.push(mapping((Math.floor(n / VNS) % KEYS_PER_VN) * VNS + (n % VNS), n));
  return byVn;
}

export type WriterKind = 'transactions' | 'read_back';

/** The calls to the writer's process, and their answers. */
export interface Calls {
  /** Writes single records to WATCHED. */
  readonly singles: {
    readonly told: { readonly count: number; readonly gapMs: number };
    readonly answer: { readonly first: number; readonly sentMs: readonly number[]; readonly ackedMs: readonly number[] };
  };
  readonly sustained: {
    readonly told: { readonly calls: number; readonly records: number; readonly inFlight: number };
    readonly answer: { readonly sentS: number; readonly doneS: number; readonly cpuMs: number };
  };
  /** Publishes the keys to which another writer then writes. */
  readonly hold: { readonly told: { readonly keys: number }; readonly answer: null };
  /** Publishes until `rest`; each lane pauses after each call. */
  readonly load: {
    readonly told: { readonly records: number; readonly inFlight: number; readonly pauseMs: number };
    readonly answer: null;
  };
  readonly rest: { readonly told: object; readonly answer: { readonly published: number; readonly seconds: number } };
  readonly close: { readonly told: object; readonly answer: null };
}
