import type { Nve, Readiness } from './answers.ts';

/** A series of the Prometheus text format. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type Metrics = ReadonlyMap<string, readonly Series[]>;

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Reads the Prometheus text format; lines that are none of it are passed over. */
export function parseMetrics(text: string): Metrics {
  const metrics = new Map<string, Series[]>();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (name === undefined) continue;
    const series = {
      labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, label, quoted]) => [label!, unquoted(quoted!)])),
      value: value === '+Inf' ? Infinity : Number(value),
    };
    metrics.set(name, [...(metrics.get(name) ?? []), series]);
  }
  return metrics;
}

const unquoted = (text: string): string => text.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));

/** What an NVE has not proven to hold. */
export interface Unproven {
  readonly nveId: string;
  readonly status: string;
  readonly vnid: number;
  readonly verdict: string;
  readonly position: string | null;
}

export interface Counters {
  readonly requests: number;
  readonly failures: number;
  readonly appends: number;
  readonly appendS: number;
  readonly delays: number;
  readonly delayS: number;
}

/** One look at an NVA. Rates are those since the look before, null at the first. */
export interface Sample {
  readonly atMs: number;
  readonly counters: Counters;
  readonly ready: boolean;
  readonly head: number | null;
  readonly foldPosition: string;
  readonly publishedPosition: string | null;
  readonly rates: {
    readonly events: number | null;
    readonly requests: number | null;
    readonly failures: number | null;
    /** Mean of an append, and from an event to its publication, since the look before. */
    readonly appendMs: number | null;
    readonly publishDelayMs: number | null;
  };
  readonly lags: readonly { readonly consumer: string; readonly positions: number | null; readonly seconds: number | null }[];
  readonly nves: { readonly known: number; readonly reachable: number; readonly unproven: number };
  readonly unproven: readonly Unproven[];
}

export function sampleOf(atMs: number, ready: Readiness, metrics: Metrics, nves: readonly Nve[], before: Sample | null): Sample {
  const requests = metrics.get('nva_http_request_duration_seconds_count') ?? [];
  const counters: Counters = {
    requests: sum(requests),
    failures: sum(requests.filter(({ labels }) => Number(labels['status']) >= 400)),
    appends: sum(metrics.get('nva_append_duration_seconds_count')),
    appendS: sum(metrics.get('nva_append_duration_seconds_sum')),
    delays: sum(metrics.get('nva_publish_delay_seconds_count')),
    delayS: sum(metrics.get('nva_publish_delay_seconds_sum')),
  };
  const head = metrics.get('nva_log_head_position')?.[0]?.value ?? null;
  const seconds = before ? (atMs - before.atMs) / 1_000 : 0;
  const perSecond = (now: number, then: number | undefined): number | null =>
    then === undefined || seconds <= 0 ? null : Math.max(0, now - then) / seconds;
  const mean = (total: number, count: number): number | null => (before && count > 0 ? (total / count) * 1_000 : null);
  const then = before?.counters;
  const unproven = nves.flatMap(unprovenOf);
  return {
    atMs,
    counters,
    ready: ready.ready,
    head,
    foldPosition: ready.foldPosition,
    publishedPosition: ready.publishedPosition ?? null,
    rates: {
      events: perSecond(Number(ready.foldPosition), before ? Number(before.foldPosition) : undefined),
      requests: perSecond(counters.requests, then?.requests),
      failures: perSecond(counters.failures, then?.failures),
      appendMs: mean(counters.appendS - (then?.appendS ?? 0), counters.appends - (then?.appends ?? 0)),
      publishDelayMs: mean(counters.delayS - (then?.delayS ?? 0), counters.delays - (then?.delays ?? 0)),
    },
    lags: lagsOf(metrics),
    nves: {
      known: nves.length,
      reachable: nves.filter(({ reachable }) => reachable).length,
      unproven: new Set(unproven.map(({ nveId }) => nveId)).size,
    },
    unproven,
  };
}

function lagsOf(metrics: Metrics): Sample['lags'] {
  const seconds = new Map((metrics.get('nva_consumer_lag_seconds') ?? []).map(({ labels, value }) => [labels['consumer'], value]));
  return (metrics.get('nva_consumer_lag_positions') ?? []).map(({ labels, value }) => ({
    consumer: labels['consumer'] ?? '',
    positions: value,
    seconds: seconds.get(labels['consumer']) ?? null,
  }));
}

const unprovenOf = ({ nveId, status, memberships }: Nve): readonly Unproven[] =>
  memberships
    .filter(({ applied }) => applied?.verdict !== 'same')
    .map(({ vnid, applied }) => ({
      nveId,
      status,
      vnid,
      verdict: applied?.verdict ?? 'not reported',
      position: applied?.position ?? null,
    }));

const sum = (series: readonly Series[] = []): number => series.reduce((total, { value }) => total + value, 0);
