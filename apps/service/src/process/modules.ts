import { Global, Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { NO_QUOTAS } from '@nva/domain';
import { NOTHING_PENDING, QuotaKeeper } from '@nva/registrar';
import type { Dispatcher } from '../commands/dispatcher.ts';
import type { Role } from '../config/roles.ts';
import { EVERYTHING, type Core } from '../core/core.ts';
import { stateOf } from '../core/process-state.ts';
import type { Audit } from '../audit/audit.ts';
import { StateQueries } from '../audit/state-queries.ts';
import type { OpenRequests } from '../http/open-requests.ts';
import {
  APPLIED_ANYWHERE,
  APPLIED_HERE,
  AUDIT,
  AUDIT_SEARCH,
  DISPATCHER,
  DISTRIBUTOR_ROLE,
  GROUPS,
  LOSSES,
  METRICS,
  OPEN_REQUESTS,
  READS,
  REFUSED,
  STATE,
  STATE_QUERIES,
} from '../http/providers.ts';
import type { Metrics } from '../observability/metrics.ts';
import { AuditSearch } from '../reads/audit-search.ts';
import type { Reads } from '../reads/reads.ts';
import type { RefusedAttempts } from '../refusals/refused-attempts.ts';
import { AuditController } from '../routes/audit.controller.ts';
import { CommandsController } from '../routes/commands.controller.ts';
import { FeedsController } from '../routes/feeds.controller.ts';
import { HistoryController } from '../routes/history.controller.ts';
import { OperationsController } from '../routes/operations.controller.ts';
import { OraclesController } from '../routes/oracles.controller.ts';
import { QueriesController } from '../routes/queries.controller.ts';
import { RefusedController } from '../routes/refused.controller.ts';
import { TlogController } from '../routes/tlog.controller.ts';
import { WritesController } from '../routes/writes.controller.ts';

/** The parts of a process by the time that it listens. */
export interface Parts {
  readonly core: Core;
  readonly reads: Reads;
  /** null if this process keeps no history. */
  readonly audit: Audit | null;
  /** null if this process is not a registrar. */
  readonly dispatcher: Dispatcher | null;
  readonly metrics: Metrics;
  readonly open: OpenRequests;
  readonly refused: RefusedAttempts;
  readonly roles: readonly Role[];
}

/** Controllers get the parts that they need by name; no controller gets the core. */
@Global()
@Module({})
class PartsModule {
  static with({ core, reads, audit, dispatcher, metrics, open, refused }: Parts): DynamicModule {
    const { config, store, replica, registrarRole, distributorRole } = core;
    const quotas = registrarRole?.registrar.quotas ?? new QuotaKeeper(config.quotas ?? NO_QUOTAS, replica.network, NOTHING_PENDING);
    const providers: Provider[] = [
      { provide: READS, useValue: reads },
      { provide: STATE, useValue: stateOf(core) },
      { provide: METRICS, useValue: metrics.registry },
      { provide: REFUSED, useValue: refused },
      { provide: OPEN_REQUESTS, useValue: open },
      { provide: GROUPS, useValue: config.groups ?? [EVERYTHING] },
      { provide: APPLIED_HERE, useValue: core.applied },
      { provide: APPLIED_ANYWHERE, useValue: core.appliedAnywhere },
      {
        provide: STATE_QUERIES,
        useValue: new StateQueries({ reads, applied: core.appliedAnywhere, quotas, identityRate: config.identityRate, audit }),
      },
      { provide: AUDIT, useValue: audit },
      { provide: AUDIT_SEARCH, useFactory: () => new AuditSearch(store, core.positions) },
      { provide: LOSSES, useValue: core.losses },
      { provide: DISPATCHER, useValue: dispatcher },
      { provide: DISTRIBUTOR_ROLE, useValue: distributorRole },
    ];
    return { module: PartsModule, providers, exports: providers };
  }
}

/** The calls that every process answers. */
@Module({ controllers: [OperationsController, OraclesController, RefusedController] })
class OperationsModule {}

/** The role `registrar`. */
@Module({ controllers: [WritesController, CommandsController] })
class RegistrarModule {}

/** The role `admin`. */
@Module({ controllers: [QueriesController, HistoryController, AuditController, TlogController] })
class AdminModule {}

/** The feeds over HTTP, in a process that is both distributor and admin. */
@Module({ controllers: [FeedsController] })
class FeedsModule {}

@Module({})
class ServiceModule {}

/** The modules of a process with these roles, and other modules that are loaded only if they are switched on. */
export function serviceModule(parts: Parts, loaded: readonly Type[]): DynamicModule {
  const { core, roles } = parts;
  const isAdmin = roles.includes('admin');
  return {
    module: ServiceModule,
    imports: [
      PartsModule.with(parts),
      OperationsModule,
      ...(core.registrarRole ? [RegistrarModule] : []),
      ...(isAdmin ? [AdminModule] : []),
      ...(isAdmin && core.distributorRole ? [FeedsModule] : []),
      ...loaded,
    ],
  };
}
