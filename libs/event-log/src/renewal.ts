import { DatabaseSync } from 'node:sqlite';
import { LogRefused, silentLogger } from '@nva/ports';
import { LogDirectory } from './log-directory.ts';

/**
 * Gives the log of a directory another UUID, in one durable transaction. The log has lost its end, and its new positions must not
 * be taken for the former ones. A repeat changes nothing. Throws LogRefused if it is not a log, or is open elsewhere.
 */
export function renewLogId(directory: string, logId: string): void {
  const held = LogDirectory.take(directory, null, silentLogger);
  try {
    const db = new DatabaseSync(held.path);
    try {
      db.exec('PRAGMA synchronous = FULL');
      db.prepare("UPDATE meta SET value = ? WHERE key = 'logId'").run(logId);
    } finally {
      db.close();
    }
  } catch (error) {
    throw new LogRefused(`${held.path} could not be given another UUID: ${(error as Error).message}`, { cause: error });
  } finally {
    held.release();
  }
}
