import { DatabaseSync } from 'node:sqlite';

/**
 * A process that opens the database of a log by hand: makes checkpoints until it is killed, or keeps it locked until it is told
 * that it is enough.
 */
const [file, what, mode] = process.argv.slice(2) as [string, 'checkpoints' | 'lock', string];

const db = new DatabaseSync(file, { timeout: 1_000 });
if (what === 'lock') {
  db.exec('BEGIN IMMEDIATE');
  process.on('message', () => {
    db.exec('ROLLBACK');
    process.disconnect();
  });
  process.send!('locked');
} else {
  const checkpoint = (): void => {
    db.exec(`PRAGMA wal_checkpoint(${mode})`);
    process.send!('done', () => setImmediate(checkpoint));
  };
  checkpoint();
}
