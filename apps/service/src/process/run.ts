import { formatShards } from '@nva/kafka';
import { LogRefused, StoreUnavailable, systemClock } from '@nva/ports';
import { acceptLoss, readAcceptLoss } from '../log/accept-loss.ts';
import { ConfigError, readConfig, withoutCredentials } from '../config/config.ts';
import { LastResort } from '../observability/last-resort.ts';
import { jsonLogger } from '../observability/logging.ts';
import type { Role } from '../config/roles.ts';
import { createService, type Service } from './service.ts';

/** After this time a stop is ended by force; the log tolerates that. */
const STOP_LIMIT_MS = 20_000;

/**
 * The whole `main` of an application: starts the service from the environment and runs it until a signal or a failure ends it. If
 * the arguments say so, accepts instead that the log has lost its end.
 */
export function run(name: string, roles: readonly Role[]): void {
  main(name, roles).catch((error: unknown) => {
    const text =
      error instanceof ConfigError || error instanceof LogRefused || error instanceof StoreUnavailable
        ? error.message
        : String((error as Error)?.stack ?? error);
    process.stderr.write(`${name.toLowerCase()}: ${text}\n`);
    process.exit(1);
  });
}

async function main(name: string, roles: readonly Role[]): Promise<void> {
  const reason = readAcceptLoss(process.argv.slice(2));
  if (reason === null) return serve(name, roles);
  const config = readConfig(process.env, roles);
  await acceptLoss(config, reason, systemClock, jsonLogger(config.logLevel));
}

async function serve(name: string, roles: readonly Role[]): Promise<void> {
  const config = readConfig(process.env, roles);
  const logger = jsonLogger(config.logLevel);
  const lastResort = new LastResort(logger);
  process.on('unhandledRejection', (cause) => lastResort.take(cause));
  let service: Service | null = null;
  let stopping = false;
  const starting = new AbortController();
  const stop = async (exitCode: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    process.exitCode = exitCode;
    // An unfinished start ends below.
    if (!service) return starting.abort();
    await service.close().catch((error: unknown) => logger.error('the stop was not clean', { err: error }));
    logger.info('stopped');
  };
  // Handled from the beginning: a SIGHUP for new tokens while the log is replayed must not end the process.
  process.on('SIGHUP', () => service?.reloadCredentials());
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(0));
  const failed = (cause: unknown): void => {
    logger.error(`the ${name} cannot go on`, { err: cause });
    void stop(1).then(() => process.exit(1));
  };
  try {
    service = await createService(config, roles, { logger, lastResort, signal: starting.signal, failed });
  } catch (error) {
    if (!starting.signal.aborted) throw error;
  }
  if (starting.signal.aborted) {
    await service?.close();
    logger.info('stopped before the start was done');
    process.exit();
  }
  const { core, url } = service!;
  logger.info(`the ${name} listens`, {
    url,
    docs: `${url}/docs`,
    dataDir: config.dataDir,
    log: core.store.logId,
    ...(config.eventStore && { eventStore: withoutCredentials(config.eventStore.url), prefix: config.eventStore.prefix }),
    ...(roles.includes('distributor') && {
      feed:
        config.kafkaBrokers.length > 0
          ? `Kafka at ${config.kafkaBrokers.join(',')}, shards ${formatShards(config.distributorShards)}`
          : 'in process, as Server-Sent Events',
    }),
    tokens: config.tokensFile ?? 'none: every caller on this machine is an operator',
    position: String(core.replica.network.position),
  });
}
