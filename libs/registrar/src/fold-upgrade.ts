import { randomIds, type Clock, type EventStore, type Ids, type Logger } from '@nva/ports';
import type { Replica } from '@nva/replica';
import { actorOf } from './access.ts';

const CALLER = { kind: 'system', part: 'fold' } as const;
const STREAM = 'fold';
/** Attempts against other processes that upgrade the same log. Each failed attempt means that another process made progress. */
const MAX_ROUNDS = 8;

/**
 * Upgrades a log to the newest rules of the fold that this build has, once the replica has caught up: it appends one
 * `FoldUpgraded`, whose change is the difference that the rules make in the tables. Several processes may do this at once; one
 * wins. A process of an older build stops when it meets the event, because it could only guess from there on.
 */
export async function upgradeFold(store: EventStore, replica: Replica, clock: Clock, logger: Logger, ids: Ids = randomIds): Promise<void> {
  const { network } = replica;
  for (let round = 0; round < MAX_ROUNDS && network.version < network.newestVersion; round++) {
    const fromVersion = network.version;
    const toVersion = network.newestVersion;
    const audit = {
      recordedAt: clock.wallMs(),
      actor: actorOf(CALLER),
      correlationId: ids.uuid(),
      idempotencyKey: null,
      requestDigest: null,
    };
    const append = {
      stream: STREAM,
      expectedRevision: network.versionRevision,
      events: [{ id: ids.uuid(), event: { type: 'FoldUpgraded', data: { audit, fromVersion, toVersion } } }],
    } as const;
    const [result] = await store.append([append]);
    if (result!.outcome === 'appended') {
      logger.info('the rules of the fold are upgraded', { fromVersion, toVersion, position: result!.position });
      await replica.passed(result!.position);
    } else {
      await replica.passed((await store.head()).position);
    }
  }
  if (network.version < network.newestVersion)
    throw new Error(`the log stays at version ${network.version} of the fold's rules: other processes kept coming first`);
}
