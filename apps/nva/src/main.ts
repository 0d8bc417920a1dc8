import { LogRefused } from '@nva/ports';
import { ConfigError, readConfig } from './config.ts';
import { jsonLogger } from './logging.ts';
import { createNva, type NvaServer } from './nva.ts';

/** A stop that takes longer is ended the hard way; the log can take it. */
const STOP_LIMIT_MS = 20_000;

/** Starts the NVA from the environment and runs it until a signal or a failure ends it. */
async function main(): Promise<void> {
  const config = readConfig(process.env);
  const logger = jsonLogger(config.logLevel);
  let server: NvaServer | null = null;
  let stopping = false;
  const stop = async (exitCode: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    process.exitCode = exitCode;
    await server?.close().catch((error: unknown) => logger.error('the stop was not clean', { err: error }));
    logger.info('stopped');
  };
  server = await createNva(config, {
    logger,
    failed: (cause) => {
      logger.error('the NVA cannot go on', { err: cause });
      void stop(1).then(() => process.exit(1));
    },
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(0));
  logger.info('the NVA listens', {
    url: server.url,
    docs: `${server.url}/docs`,
    dataDir: config.dataDir,
    log: server.core.store.logId,
    feed: config.kafkaBrokers.length > 0 ? `Kafka at ${config.kafkaBrokers.join(',')}` : 'in process, as Server-Sent Events',
    tokens: config.tokensFile ?? 'none: every caller on this machine is an operator',
    position: String(server.core.replica.network.position),
  });
}

main().catch((error: unknown) => {
  const text = error instanceof ConfigError || error instanceof LogRefused ? error.message : String((error as Error)?.stack ?? error);
  process.stderr.write(`nva: ${text}\n`);
  process.exit(1);
});
