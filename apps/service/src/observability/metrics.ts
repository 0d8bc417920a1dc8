import { setTimeout as sleep } from 'node:timers/promises';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry, type Metric } from 'prom-client';
import type { Rights } from '@nva/distributor';
import { tsNameOf } from '@nva/identifiers';
import type { Logger, Position, RecordedEvent } from '@nva/ports';
import type { QuotaKeeper } from '@nva/registrar';
import { changesTooOften, movesTooOften } from '../config/alarms.ts';
import type { Audit } from '../audit/audit.ts';
import type { CommandServer } from '../commands-over-kafka/command-server.ts';
import { registerProof } from './proof-metrics.ts';
import type { Connections } from '../http/connections.ts';
import type { Core } from '../core/core.ts';
import type { Credentials } from '../access/credentials.ts';
import type { LastResort } from './last-resort.ts';
import type { FeedStreams } from '../streams/feed-streams.ts';

/** Maximum number of VNs whose topic has its own time series: those with the most records. */
const MAX_TOPICS_NAMED = 50;
/** How long a scrape waits for the head of the log. */
const HEAD_LIMIT_MS = 2_000;
const LATENCY_BUCKETS_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** The parts of a process between the network and the core. */
export interface Shell {
  readonly connections: Connections;
  readonly credentials: Credentials;
  readonly lastResort: LastResort;
  /** null if this process keeps no history. */
  readonly audit: Audit | null;
}

/** Prometheus metrics of one NVA, in their own registry. */
export class Metrics {
  readonly registry = new Registry();
  readonly #requests = new Histogram({
    name: 'nva_http_request_duration_seconds',
    help: 'Time to answer a request, by method, route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: LATENCY_BUCKETS_S,
    registers: [this.registry],
  });
  readonly #appends = new Histogram({
    name: 'nva_append_duration_seconds',
    help: 'Time until an append was durable.',
    buckets: LATENCY_BUCKETS_S,
    registers: [this.registry],
  });
  readonly #publications = new Histogram({
    name: 'nva_publish_duration_seconds',
    help: 'Time until published records were acknowledged.',
    buckets: LATENCY_BUCKETS_S,
    registers: [this.registry],
  });
  readonly #delays = new Histogram({
    name: 'nva_publish_delay_seconds',
    help: 'From the recording of an event to the acknowledgement of its records, the oldest of each publication.',
    buckets: LATENCY_BUCKETS_S,
    registers: [this.registry],
  });
  readonly #fenced = new Counter({
    name: 'nva_fenced_total',
    help: 'Times that another writer turned out to have taken the feeds over.',
    registers: [this.registry],
  });
  readonly #moveAlarms = new Counter({
    name: 'nva_move_alarms_total',
    help: 'Moves that were one too many within 180 s (X9).',
    registers: [this.registry],
  });
  readonly #identityAlarms = new Counter({
    name: 'nva_nve_identity_alarms_total',
    help: 'Times that an NVE became another too often, under one id and incarnation (NVE_CHANGES_ALARM).',
    registers: [this.registry],
  });

  constructor(core: Core, commands: CommandServer | null, logger: Logger, shell: Shell) {
    collectDefaultMetrics({ register: this.registry });
    const { rights } = core.distributorRole?.distributor ?? {};
    this.#measured(
      { ...gaugesOf(core), ...gaugesOfShell(shell), ...(rights && gaugesOfRights(rights)) },
      (name, help, read) =>
        new Gauge({
          name,
          help,
          registers: [],
          collect() {
            this.set(read());
          },
        }),
    );
    this.#measured(
      {
        ...countersOf(core),
        ...countersOfShell(shell),
        ...(commands && countersOfCommands(commands)),
        ...(rights && countersOfRights(rights)),
      },
      (name, help, read) =>
        new Counter({
          name,
          help,
          registers: [],
          collect() {
            this.reset();
            this.inc(read());
          },
        }),
    );
    core.store.onAppend = (seconds) => this.#appends.observe(seconds);
    if (core.distributorRole) {
      core.distributorRole.writer.onPublish = (seconds, delaySeconds) => {
        this.#publications.observe(seconds);
        if (delaySeconds !== null) this.#delays.observe(delaySeconds);
      };
      core.distributorRole.writer.onFenced = () => this.#fenced.inc();
    }
    this.#lag(core);
    if (shell.audit && core.config.proof) registerProof(this.registry, shell.audit, core.clock);
    if (core.registrarRole?.registrar.quotas) this.#quotas(core.registrarRole.registrar.quotas);
    if (core.distributorRole) this.#topicSizes(core.distributorRole.writer.topicRecords);
    core.replica.onFolded((recorded) => this.#alarm(recorded, core, logger));
  }

  /** Reports only present events, not events before the start. */
  #alarm({ stream, event }: RecordedEvent, { replica, clock, config }: Core, logger: Logger): void {
    if (!replica.caughtUp) return;
    const { recordedAt, correlationId } = event.data.audit;
    if (event.type === 'NveConnected') {
      const { identityChanges, siteId, mac, addresses, incarnation } = replica.network.nves.get(event.data.nveId)!.state!;
      if (identityChanges.at(-1) !== recordedAt || !changesTooOften({ identityChanges }, clock, config.identityRate)) return;
      this.#identityAlarms.inc();
      logger.warn('an NVE keeps changing its site, MAC or addresses under one incarnation: do two hosts have its id?', {
        nveId: event.data.nveId,
        incarnation,
        siteId,
        mac,
        addresses,
        correlationId,
      });
    } else if (event.type === 'TenantSystemMoved' || event.type === 'TenantSystemAttached' || event.type === 'TenantSystemDetached') {
      if (event.type === 'TenantSystemDetached' && event.data.mobility === null) return;
      const { tsId, moves } = replica.network.tenantSystems.get(tsNameOf(stream)!)!.state;
      if (moves.at(-1) !== recordedAt || !movesTooOften({ moves }, clock)) return;
      this.#moveAlarms.inc();
      logger.warn('a tenant system moves too often (X9)', { tsId, recentMoves: moves.length, correlationId });
    }
  }

  /** How far each consumer is behind the head of the log. The head is read once per scrape. */
  #lag(core: Core): void {
    const { store, replica, clock, distributorRole } = core;
    const consumers: Record<string, () => Position> = {
      fold: () => replica.network.position,
      ...(distributorRole && { feeds: () => distributorRole.distributor.publishedPosition }),
    };
    let recordedAt = 0;
    replica.onFolded((recorded) => (recordedAt = recorded.event.data.audit.recordedAt));
    // One look for all three, whichever of them a scrape collects first: they fit together, and are of this scrape.
    let looking: Promise<void> | null = null;
    const collect = (): Promise<void> => (looking ??= look().finally(() => (looking = null)));
    const registers = [this.registry];
    const head = new Gauge({ name: 'nva_log_head_position', help: 'Position of the last event of the log.', registers, collect });
    const positions = new Gauge({
      name: 'nva_consumer_lag_positions',
      help: 'Positions of the log that a consumer has not taken in; on the embedded log one is one event.',
      labelNames: ['consumer'],
      registers,
      collect,
    });
    const seconds = new Gauge({
      name: 'nva_consumer_lag_seconds',
      help: 'For a consumer that is behind, the age of the last event that the fold took in, or of the first that waits to be published; 0 for one that is not.',
      labelNames: ['consumer'],
      registers,
      collect,
    });
    async function look(): Promise<void> {
      // Without a leader the head is unknown: these values stay, and the other metrics are still delivered.
      const known =
        store.leader?.node === null
          ? null
          : await Promise.race([store.head().catch(() => null), sleep(HEAD_LIMIT_MS, null, { ref: false })]);
      if (!known) return;
      const { position } = known;
      head.set(position);
      for (const [consumer, read] of Object.entries(consumers)) {
        const behind = Math.max(0, position - read());
        positions.set({ consumer }, behind);
        const since = (consumer === 'feeds' && distributorRole?.distributor.oldestQueuedAt) || recordedAt;
        seconds.set({ consumer }, behind === 0 || since === 0 ? 0 : Math.max(0, clock.wallMs() - since) / 1_000);
      }
    }
  }

  #quotas(quotas: QuotaKeeper): void {
    const labelNames = ['scope', 'counted'];
    new Gauge({
      name: 'nva_quota_fullest_ratio',
      help: 'How much of its quota the tenant or NVE uses that uses most of it; 1 is all of it.',
      labelNames,
      registers: [this.registry],
      collect() {
        for (const { scope, counted, ratio } of quotas.fullest()) this.set({ scope, counted }, ratio);
      },
    });
    new Counter({
      name: 'nva_quota_refusals_total',
      help: 'Commands refused because a tenant or an NVE would have had more than its quota.',
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [name, count] of quotas.refusals) {
          const [scope, counted] = name.split(' ') as [string, string];
          this.inc({ scope, counted }, count);
        }
      },
    });
  }

  #topicSizes(records: ReadonlyMap<number, number>): void {
    new Gauge({
      name: 'nva_vn_topic_records',
      help: `Records on the topic of a VN, superseded ones among them until it is compacted: found when it was read last, and published since; the ${MAX_TOPICS_NAMED} VNs with the most.`,
      labelNames: ['vnid'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [vnid, count] of mostOf(records, MAX_TOPICS_NAMED)) this.set({ vnid: String(vnid) }, count);
      },
    });
    new Gauge({
      name: 'nva_vn_topics_records',
      help: 'The same over all VNs that this process publishes.',
      registers: [this.registry],
      collect() {
        this.set(records.values().reduce((sum, count) => sum + count, 0));
      },
    });
  }

  #measured(figures: Figures, metric: (name: string, help: string, read: () => number) => Metric): void {
    for (const [name, [help, read]] of Object.entries(figures)) this.registry.registerMetric(metric(name, help, read));
  }

  answered(method: string, route: string, status: number, seconds: number): void {
    this.#requests.observe({ method, route, status }, seconds);
  }
}

/** The entries with the greatest values, greatest first: one pass that sorts a few entries at a time. */
function mostOf(counts: Iterable<readonly [number, number]>, max: number): readonly (readonly [number, number])[] {
  let most: (readonly [number, number])[] = [];
  let least = Number.NEGATIVE_INFINITY;
  const trim = (): void => {
    most = most.toSorted(([, a], [, b]) => b - a).slice(0, max);
    if (most.length === max) least = most[max - 1]![1];
  };
  for (const entry of counts) {
    if (entry[1] <= least) continue;
    most.push(entry);
    if (most.length >= 2 * max) trim();
  }
  trim();
  return most;
}

type Figures = Readonly<Record<string, readonly [help: string, read: () => number]>>;

function gaugesOf(core: Core): Figures {
  const { store, replica, registrarRole, distributorRole, turns } = core;
  return {
    nva_fold_position: ['Log position that the fold has reached.', () => replica.network.position],
    nva_vns: ['VNs, deleted ones included.', () => replica.network.vns.size],
    nva_nves: ['NVEs ever spoken of.', () => replica.network.nves.size],
    nva_tenant_systems: ['Tenant systems, detached ones included.', () => replica.network.tenantSystems.size],
    nva_reads_waiting: ['Reads that wait for their callers’ turn.', () => turns.reads.waiting],
    ...(store.leader && {
      nva_event_store_leader: [
        '1 while the event store has a leader that answers, 0 while it has none: nothing can be written.',
        () => Number(store.leader?.node !== null),
      ],
    }),
    nva_ready: ['1 when the process does its work.', () => Number(core.ready)],
    ...(registrarRole && {
      nva_commands_waiting: ['Commands that wait for their callers’ turn.', () => turns.commands.waiting],
      nva_callers_waiting: ['Callers of whom commands wait.', () => turns.commands.callers],
      nva_commands_in_flight: ['Commands decided and not answered yet.', () => registrarRole.registrar.commandsInFlight],
      nva_idempotency_keys: ['Idempotency-Keys whose answers are remembered, over all callers.', () => registrarRole.registrar.keys.size],
      nva_terms: ['Leases and lifetimes that run.', () => registrarRole.deadlines.size],
    }),
    ...(distributorRole && {
      nva_published_position: [
        'Log position up to which the feeds are published, those of the shards that are this process’s.',
        () => distributorRole.distributor.publishedPosition,
      ],
      nva_feed_queued_records: ['Records that wait to be published.', () => distributorRole.distributor.queuedRecords],
      nva_feeds_set_aside: [
        'Feeds to which nothing is published now because something is wrong with them; /readyz names them.',
        () => distributorRole.distributor.aside.size,
      ],
      nva_feeds_lost: [
        'Feeds that have lost what was on them and are being filled from the fold; the process is not ready while there are any.',
        () => distributorRole.distributor.aside.lost,
      ],
      nva_feed_followers: ['Consumers of the in-process feeds.', () => distributorRole.inProcessFeed?.followers ?? 0],
    }),
    ...(distributorRole?.streams && gaugesOfStreams(distributorRole.streams)),
  };
}

function gaugesOfStreams(streams: FeedStreams): Figures {
  return {
    nva_feed_streams: ['Streams of feeds that are open.', () => streams.open],
    nva_feed_encoded_bytes: ['Bytes of feeds kept encoded, for all streams together.', () => streams.encoding.bytes],
    nva_feed_turn_longest_seconds: [
      'The longest that encoding and sending has held the event loop at a time.',
      () => streams.turns.longestMs / 1_000,
    ],
  };
}

function countersOfStreams({ counters }: FeedStreams): Figures {
  return {
    nva_feed_streams_slow_total: ['Streams ended because their consumers did not take what they were sent.', () => counters.endedAsSlow],
    nva_feed_streams_refused_total: ['Streams refused because there were too many.', () => counters.refused],
  };
}

function gaugesOfShell({ connections, credentials }: Shell): Figures {
  return {
    nva_connections: ['Connections that are open.', () => connections.count],
    nva_connections_unauthenticated: ['Those on which no request has shown a token yet.', () => connections.unauthenticated],
    nva_tokens_loaded_timestamp_seconds: ['When the tokens and keys that are in force were read.', () => credentials.loadedAtS],
    nva_tokens_file_wrong: [
      '1 while a file of tokens or keys cannot be used, and those of before are in force.',
      () => Number(credentials.wrong),
    ],
  };
}

function countersOfShell({ connections, credentials, lastResort }: Shell): Figures {
  return {
    nva_connections_evicted_total: [
      'Connections that were closed because there were too many: unauthenticated ones, and the longest unused.',
      () => connections.counters.evicted,
    ],
    nva_requests_timed_out_total: [
      'Requests whose headers or body did not come in time, or that stood still.',
      () => connections.counters.timedOut,
    ],
    nva_unhandled_rejections_total: ['Failures that nobody waited for. Each is a defect; the log has it.', () => lastResort.rejections],
    nva_tokens_file_errors_total: ['Times that a changed file of tokens or keys could not be used.', () => credentials.counters.errors],
  };
}

function countersOfCommands(commands: CommandServer): Figures {
  return {
    nva_kafka_commands_total: ['Records taken from the topic of commands, refused ones included.', () => commands.counters.commands],
    nva_kafka_command_groups_total: ['Groups in which they were decided and appended.', () => commands.counters.groups],
    nva_kafka_command_outcomes_total: ['Outcomes published for NVEs.', () => commands.counters.outcomes],
    nva_kafka_command_outcomes_dropped_total: [
      'Outcomes that were not published because the topic of their NVE could not be used.',
      () => commands.counters.outcomesDropped,
    ],
    nva_kafka_commands_unauthenticated_total: [
      'Commands that no NVE could be shown to have signed.',
      () => commands.counters.unauthenticated,
    ],
    nva_kafka_commands_malformed_total: ['Signed commands that could not be decoded.', () => commands.counters.malformed],
    nva_kafka_command_restarts_total: [
      'Times that taking commands from Kafka failed and was begun anew.',
      () => commands.counters.restarts,
    ],
  };
}

function gaugesOfRights(rights: Rights): Figures {
  return {
    nva_feed_rights_waiting: ['Rights of NVEs to VNs that they have left, which end with their grace time.', () => rights.waiting],
    nva_feed_vns_withheld: ['VNs of which nothing is published until the rights to them can be granted.', () => rights.withheld.size],
  };
}

function countersOfRights({ counters }: Rights): Figures {
  return {
    nva_feed_rights_granted_total: ['Rights to read a feed that were given to an NVE.', () => counters.granted],
    nva_feed_rights_revoked_total: ['Rights to read a feed that were taken from an NVE.', () => counters.revoked],
    nva_feed_rights_failures_total: ['Attempts to see to rights that failed and are repeated.', () => counters.failures],
  };
}

function countersOf({ replica, applied, losses, registrarRole, distributorRole }: Core): Figures {
  return {
    nva_ahead_of_log_total: [
      'Places beyond the head of the log that callers named: made up, or the log has lost its end.',
      () => losses.ahead,
    ],
    nva_events_folded_total: ['Events folded since the start.', () => replica.eventsFolded],
    ...(registrarRole && {
      nva_stream_conflicts_total: ['Appends that met another writer of their stream.', () => registrarRole.registrar.conflicts],
      nva_idempotency_keys_evicted_total: [
        'Idempotency-Keys given up before their 24 hours, because their caller, or all of them, had too many.',
        () => registrarRole.registrar.keys.evicted,
      ],
      nva_unheard_seconds_total: [
        'Time in which this process could not hear, being busy, stopped or cut off from the brokers: it counts for no lease or lifetime.',
        () => registrarRole.deadlines.unheardMs / 1_000,
      ],
      nva_digest_mismatches_total: ['Tables reported by NVEs that differ from the fold at the same position.', () => applied.mismatches],
    }),
    ...(distributorRole?.streams && countersOfStreams(distributorRole.streams)),
    ...(distributorRole && {
      nva_records_published_total: ['Records published on the feeds.', () => distributorRole.distributor.counters.recordsPublished],
      nva_publish_failures_total: [
        'Attempts to publish that failed and were repeated.',
        () => distributorRole.distributor.counters.publishFailures,
      ],
      nva_reconciliations_total: [
        'Reconciliations of the feeds with the fold.',
        () => distributorRole.distributor.counters.reconciliations,
      ],
      nva_undecodable_records_total: [
        'Records found on the feeds that could not be decoded.',
        () => distributorRole.distributor.counters.undecodable,
      ],
      nva_feeds_lost_total: [
        'Times that a feed turned out to have lost what was on it: its topic was gone, made anew or cut short.',
        () => distributorRole.distributor.aside.counters.lost,
      ],
      nva_feeds_restored_total: ['Times that such a feed was made whole again.', () => distributorRole.distributor.aside.counters.restored],
      nva_feed_doubts_total: [
        'Times that the feed of a VN was in doubt: an NVE reported another table than the fold, or the feed differed when its turn came.',
        () => distributorRole.distributor.doubts.counters.doubts,
      ],
      nva_feed_comparisons_total: [
        'Feeds that were compared with the fold again because of such a doubt.',
        () => distributorRole.distributor.doubts.counters.comparisons,
      ],
      nva_feed_comparisons_repaired_total: [
        'Those of them on which something was wrong, and put right.',
        () => distributorRole.distributor.doubts.counters.repaired,
      ],
      nva_vns_purged_total: ['Topics of VNs long gone that were deleted.', () => distributorRole.distributor.counters.vnsPurged],
    }),
  };
}
