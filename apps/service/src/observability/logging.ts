import type { LoggerService } from '@nestjs/common';
import type { Logger } from '@nva/ports';
import { destination, pino } from 'pino';

/** Structured logs, one JSON object per line on standard output. */
export function jsonLogger(level: string): Logger {
  const log = pino(
    { level, base: null, formatters: { level: (label) => ({ level: label }) }, timestamp: pino.stdTimeFunctions.isoTime },
    destination({ fd: 1, sync: true }),
  );
  return {
    debug: (message, fields = {}) => log.debug(fields, message),
    info: (message, fields = {}) => log.info(fields, message),
    warn: (message, fields = {}) => log.warn(fields, message),
    error: (message, fields = {}) => log.error(fields, message),
  };
}

/** The framework's own messages: only warnings and errors are logged, not the messages of its start. */
export function nestLogger(logger: Logger): LoggerService {
  return {
    log() {},
    debug() {},
    verbose() {},
    warn: (message: unknown) => logger.warn(String(message)),
    error: (message: unknown, ...rest: unknown[]) => logger.error(String(message), { rest }),
    fatal: (message: unknown) => logger.error(String(message)),
  };
}
