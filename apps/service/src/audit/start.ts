import { dirname, join } from 'node:path';
import { Auditor } from '@nva/audit';
import type { Logger } from '@nva/ports';
import type { NvaConfig } from '../config/config.ts';
import { ROLES, type Role } from '../config/roles.ts';
import type { Core } from '../core/core.ts';
import { directoryOf } from '../log/open-log.ts';
import { snapshotDirectory, snapshotPath } from '../log/snapshots.ts';
import { Proof, type ProofSettings } from '../tlog/proof.ts';
import { AuditHere } from './audit-here.ts';
import { AuditThread } from './audit-thread.ts';
import { BoundedAudit } from './bounded-audit.ts';
import type { Audit } from './audit.ts';
import { keptVns } from './kept-vns.ts';
import { PastQueries } from './past-queries.ts';
import { SharedAudit } from './shared-audit.ts';

/** Processes of one role each may share a DATA_DIR. */
const historyPath = ({ dataDir }: NvaConfig, roles: readonly Role[]): string =>
  join(dataDir, 'history', ...(roles.length === ROLES.length ? [] : [roles.join('-')]), 'history.sqlite');

/** Trees are beside the history. */
const proofSettings = ({ proof }: NvaConfig, historyFile: string): ProofSettings | null =>
  proof && { ...proof, folder: join(dirname(historyFile), 'proof') };

/** Starts the audit of a process that answers queries, unless it is switched off. To be stopped before the core. */
export function startAudit(config: NvaConfig, core: Core, roles: readonly Role[], logger: Logger): Audit | null {
  if (!config.history || !roles.includes('admin')) return null;
  const { store, clock, replica, embedded } = core;
  const path = historyPath(config, roles);
  const { quotas, identityRate, eventStore } = config;
  const settings = proofSettings(config, path);
  const hasSnapshots = config.snapshotEveryEvents > 0;
  const { adminShards: shards, admins } = config;
  const whole = (own: Audit): Audit =>
    new BoundedAudit(new SharedAudit({ own, shards, admins, log: store.logId, ownsLog: embedded !== null }));
  if (!core.ownsLog) {
    const snapshots = hasSnapshots ? snapshotDirectory(config, { roles, clock, logger }) : null;
    const auditor = new Auditor({ log: store, historyPath: path, snapshots, vns: keptVns(shards), clock, logger });
    const queries = new PastQueries({ auditor, log: store, archivable: null, clock, quotas, identityRate });
    return whole(new AuditHere(auditor, queries, settings && new Proof({ settings, log: store, auditor, clock, logger })));
  }
  const data = {
    logId: store.logId,
    log: embedded ? { directory: directoryOf(config) } : eventStore!,
    historyPath: path,
    snapshotPath: hasSnapshots ? snapshotPath(config, roles) : null,
    quotas,
    identityRate,
    proof: settings,
    shards,
  };
  const headOf = async (stream: string) => (await embedded?.headOf(stream)) ?? null;
  const audit = new AuditThread({ data, clock, logger, headOf }, replica.network.position);
  replica.onFolded(({ position }) => audit.folded(position));
  return whole(audit);
}
