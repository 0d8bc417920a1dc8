import type { Nve, TenantSystem, DeadlineOwner } from '@nva/domain';
import { oracleStream } from '@nva/identifiers';
import { NO_STREAM, randomIds, type Clock, type EventStore, type Ids, type Logger } from '@nva/ports';
import type { Replica } from '@nva/replica';
import { actorOf } from './access.ts';
import type { RegistrarGroup, RegistrarGroups } from './groups.ts';
import type { DeadlineScope } from './deadline-scope.ts';

/** How often a registrar probes the owner of its group. */
export const PROBE_EVERY_MS = 1_000;
/** Probes in a row that the owner must miss before another registrar takes over. */
export const MISSES_BEFORE_TAKEOVER = 3;
/**
 * A process that lost the group does not take it over for this long: two registrars that cannot hear each other must not take
 * turns.
 */
const PAUSE_AFTER_LOSS_MS = 10_000;

const CALLER = { kind: 'system', part: 'election' } as const;

export interface ElectionOptions {
  readonly groups: RegistrarGroups;
  readonly group: RegistrarGroup;
  /** Where other registrars reach this one. */
  readonly url: string;
  /** Whether the registrar with that id answers at the URL. Never rejects, and takes less than PROBE_EVERY_MS. */
  readonly probe: (url: string, oracleId: string) => Promise<boolean>;
  readonly ids?: Ids;
}

/**
 * Determines the one owner of a group's deadlines among the registrars that serve the group (design/registrars, «A group's deadlines have
 * one owner»): the last registrar that wrote `OracleTookOver` to the group's stream, at the exact revision. The others probe it,
 * and one of them takes over when it does not answer. It does not matter whether an earlier owner knows that it is superseded:
 * its lapses are void (`isVoid`).
 */
export class Election implements DeadlineScope {
  readonly oracleId: string;
  readonly #ids: Ids;
  readonly #store: EventStore;
  readonly #replica: Replica;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #options: ElectionOptions;
  readonly #listeners: (() => void)[] = [];
  #endLooks: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #misses = 0;
  #owns = false;
  #hasLost = false;
  #lostMs = -PAUSE_AFTER_LOSS_MS;

  /** To be created before the replica starts. */
  constructor(store: EventStore, replica: Replica, clock: Clock, logger: Logger, options: ElectionOptions) {
    this.#store = store;
    this.#replica = replica;
    this.#clock = clock;
    this.#logger = logger;
    this.#options = options;
    this.#ids = options.ids ?? randomIds;
    this.oracleId = this.#ids.uuid();
    replica.onFolded(({ event }) => {
      if (event.type === 'OracleTookOver' && event.data.group === options.group.name) this.#changed();
    });
  }

  get group(): RegistrarGroup {
    return this.#options.group;
  }

  owner(): DeadlineOwner | null {
    const oracle = this.#replica.network.oracles.get(this.group.name);
    return oracle?.oracleId === this.oracleId ? { group: this.group.name, owner: oracle.position } : null;
  }

  nve(nve: Nve): boolean {
    return this.#options.groups.servesNve(this.group, nve);
  }

  tenantSystem(ts: TenantSystem): boolean {
    return this.#options.groups.servesTenantSystem(this.group, ts, this.#replica.network);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** To be called once the replica has caught up. Resolves when it is known whether this process or another one owns the group. */
  async start(): Promise<void> {
    await this.look();
    this.#endLooks = this.#clock.every(PROBE_EVERY_MS, () => {
      this.#round = this.#round.then(() => this.look());
    });
  }

  async stop(): Promise<void> {
    this.#endLooks();
    await this.#round;
  }

  /** Probes the owner once, and takes over if that is due. Called by the timer. */
  async look(): Promise<void> {
    const { probe, url } = this.#options;
    const oracle = this.#replica.network.oracles.get(this.group.name);
    if (oracle?.oracleId === this.oracleId) return;
    // An owner with this process's own address is a former process of this registrar, so nobody else is there. Exception: another
    // registrar with the same address has taken over from this process.
    if (oracle && (oracle.url !== url || this.#hasLost)) {
      const fromMs = this.#clock.monotonicMs();
      const answers = await probe(oracle.url, oracle.oracleId);
      // A probe that took too long was held up in this process: the answer may have arrived unheard.
      if (!answers && this.#clock.monotonicMs() - fromMs > PROBE_EVERY_MS) return;
      this.#misses = answers ? 0 : this.#misses + 1;
      if (this.#misses < MISSES_BEFORE_TAKEOVER || this.#clock.monotonicMs() - this.#lostMs < PAUSE_AFTER_LOSS_MS) return;
    }
    try {
      await this.#takeOver(oracle?.revision ?? NO_STREAM);
    } catch (error) {
      this.#logger.warn('a takeover could not be recorded; it is tried again', { err: error, group: this.group.name });
    }
  }

  async #takeOver(expectedRevision: number): Promise<void> {
    const { group, url } = this.#options;
    const audit = {
      recordedAt: this.#clock.wallMs(),
      actor: actorOf(CALLER),
      correlationId: this.#ids.uuid(),
      idempotencyKey: null,
      requestDigest: null,
    };
    const event = { type: 'OracleTookOver', data: { audit, group: group.name, oracleId: this.oracleId, url } } as const;
    const [result] = await this.#store.append([
      { stream: oracleStream(group.name), expectedRevision, events: [{ id: this.#ids.uuid(), event }] },
    ]);
    this.#misses = 0;
    // Another registrar may have come first; in both cases the fold tells who is the owner.
    await this.#replica.passed(result!.outcome === 'appended' ? result!.position : (await this.#store.head()).position);
  }

  #changed(): void {
    const owns = this.owner() !== null;
    if (owns === this.#owns) return;
    this.#owns = owns;
    const oracle = this.#replica.network.oracles.get(this.group.name)?.url;
    if (!owns) {
      this.#hasLost = true;
      this.#lostMs = this.#clock.monotonicMs();
      if (oracle === this.#options.url)
        this.#logger.error('another registrar has this one\u2019s address: each must have its own ADVERTISED_URL', {
          group: this.group.name,
          oracle,
        });
    }
    this.#logger.info(owns ? 'this registrar owns the terms of its group' : 'another registrar owns the terms of the group now', {
      group: this.group.name,
      oracle,
    });
    for (const listener of this.#listeners) listener();
  }
}
