import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { MOVE_ALARM_MOVES } from '@nva/domain';
import type { Logger } from '@nva/ports';
import type { Core } from './core.ts';

const LATENCY_BUCKETS_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** Prometheus metrics of one NVA, in a registry of its own. */
export class Metrics {
  readonly registry = new Registry();
  readonly #requests = new Histogram({
    name: 'nva_http_request_duration_seconds',
    help: 'Time to answer a request, by method, route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: LATENCY_BUCKETS_S,
    registers: [this.registry],
  });
  readonly #moveAlarms = new Counter({ name: 'nva_move_alarms_total', help: 'Moves that were one too many within 180 s (X9).', registers: [this.registry] });

  constructor(core: Core, logger: Logger) {
    collectDefaultMetrics({ register: this.registry });
    const gauges: Record<string, readonly [help: string, read: () => number]> = {
      nva_fold_position: ['Log position that the fold has reached.', () => core.replica.network.position],
      nva_published_position: ['Log position up to which the feeds are published.', () => core.distributor.publishedPosition],
      nva_feed_queued_records: ['Records that wait to be published.', () => core.distributor.queuedRecords],
      nva_commands_in_flight: ['Commands decided and not answered yet.', () => core.registrar.commandsInFlight],
      nva_terms: ['Leases and lifetimes that run.', () => core.terms.size],
      nva_vns: ['VNs, deleted ones included.', () => core.replica.network.vns.size],
      nva_nves: ['NVEs ever spoken of.', () => core.replica.network.nves.size],
      nva_tenant_systems: ['Tenant systems, detached ones included.', () => core.replica.network.tenantSystems.size],
      nva_feed_followers: ['Consumers of the in-process feeds.', () => core.inProcessFeed?.followers ?? 0],
      nva_ready: ['1 when writes are taken and the feeds are equal to the fold.', () => Number(core.ready)],
    };
    for (const [name, [help, read]] of Object.entries(gauges)) {
      new Gauge({ name, help, registers: [this.registry], collect() { this.set(read()); } });
    }
    const counters: Record<string, readonly [help: string, read: () => number]> = {
      nva_events_folded_total: ['Events folded since the start.', () => core.replica.eventsFolded],
      nva_stream_conflicts_total: ['Appends that met another writer of their stream.', () => core.registrar.conflicts],
      nva_records_published_total: ['Records published on the feeds.', () => core.distributor.counters.recordsPublished],
      nva_publish_failures_total: ['Attempts to publish that failed and were repeated.', () => core.distributor.counters.publishFailures],
      nva_vns_purged_total: ['Topics of VNs long gone that were deleted.', () => core.distributor.counters.vnsPurged],
      nva_reconciliations_total: ['Reconciliations of the feeds with the fold.', () => core.distributor.counters.reconciliations],
      nva_undecodable_records_total: ['Records found on the feeds that could not be decoded.', () => core.distributor.counters.undecodable],
      nva_digest_mismatches_total: ['Tables reported by NVEs that differ from the fold at the same position.', () => core.applied.mismatches],
    };
    for (const [name, [help, read]] of Object.entries(counters)) {
      new Counter({ name, help, registers: [this.registry], collect() { this.reset(); this.inc(read()); } });
    }
    core.replica.onFolded(({ event }) => {
      if (event.type !== 'TenantSystemMoved' || event.data.recentMoves <= MOVE_ALARM_MOVES || !core.replica.caughtUp) return;
      this.#moveAlarms.inc();
      logger.warn('a tenant system moves too often (X9)', { tsId: event.data.tsId, recentMoves: event.data.recentMoves, correlationId: event.data.audit.correlationId });
    });
  }

  answered(method: string, route: string, status: number, seconds: number): void {
    this.#requests.observe({ method, route, status }, seconds);
  }
}
