import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { LogRefused, reached, type EventStore, type LogLoss, type LogMark, type Position } from '@nva/ports';

/** Only the user that runs the NVA may read the file. */
const MODE = 0o600;
const DIRECTORY_MODE = 0o700;
/** The name of the file in DATA_DIR. */
export const LOSS_FILE = 'lost-end.json';
export const UNFINISHED_LOSS_FILE = `${LOSS_FILE}.new`;

/** The command as an operator types it. */
export const ACCEPT_LOSS = 'npm start -- accept-loss --reason "<why>"';
/** Maximum number of marks that are kept; the first ones say enough. */
const MAX_MARKS = 100;

/** What is known of the log's lost end, until the log is whole again or the loss is accepted. */
export interface KeptLoss {
  /** The marks that showed the loss; null if only the log's own marker showed it. */
  readonly loss: LogLoss | null;
  /**
   * Not null once the acceptance has begun. `acknowledged` is the last position that was acknowledged according to the log's own
   * marker; null if the marker was not read. `log` is the UUID that the log is given.
   */
  readonly accepting: { readonly acknowledged: Position | null; readonly log?: string } | null;
}

/**
 * A small file in DATA_DIR that says that the log has lost its end. The process may learn of the loss only once, and the next
 * start must not ignore it. So the file is on disk before the process ends, and is removed last when the loss is accepted.
 */
export class LossFile {
  readonly path: string;
  readonly #directory: string;

  constructor(dataDir: string) {
    this.#directory = dataDir;
    this.path = join(dataDir, LOSS_FILE);
  }

  /** null if no loss is known. Throws LogRefused for an unreadable file, because its content is unknown. */
  read(): KeptLoss | null {
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw this.#unreadable(error);
    }
    try {
      return keptIn(JSON.parse(text));
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  /** Adds the marks to those that are kept for the same log. Durable when it returns. Throws what the file system throws. */
  add(loss: LogLoss): void {
    const kept = this.read();
    const known = kept?.loss?.log === loss.log ? kept.loss.marks : [];
    const fresh = loss.marks.filter((mark) => !known.some(({ where, position }) => where === mark.where && position === mark.position));
    this.write({ accepting: kept?.accepting ?? null, loss: { ...loss, marks: [...known, ...fresh].slice(0, MAX_MARKS) } });
  }

  /** Durable when it returns. Throws what the file system throws. */
  write(kept: KeptLoss): void {
    mkdirSync(this.#directory, { recursive: true, mode: DIRECTORY_MODE });
    const unfinished = join(this.#directory, UNFINISHED_LOSS_FILE);
    const file = openSync(unfinished, 'w', MODE);
    try {
      writeSync(file, `${JSON.stringify(kept, null, 2)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(unfinished, this.path);
    this.#sync();
  }

  remove(): void {
    rmSync(this.path, { force: true });
    this.#sync();
  }

  #sync(): void {
    const directory = openSync(this.#directory, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  }

  #unreadable(cause: unknown): LogRefused {
    return new LogRefused(
      `${this.path} says that the log has lost its end, but cannot be read: ${(cause as Error).message}. Put the newer log back, and then remove the file; or, if there is no newer log, accept the loss: ${ACCEPT_LOSS}`,
      { cause },
    );
  }
}

function keptIn(json: unknown): KeptLoss {
  const { loss, accepting } = (json ?? {}) as Partial<KeptLoss>;
  if ((loss !== null && !isLoss(loss)) || (accepting !== null && !isAccepting(accepting))) throw new Error('it is not {loss, accepting}');
  return { loss, accepting };
}

const isPosition = (value: unknown): value is Position => Number.isSafeInteger(value) && (value as number) >= 0;
const isMark = ({ where, position, eventId }: Partial<LogMark>): boolean =>
  typeof where === 'string' && isPosition(position) && (eventId === undefined || typeof eventId === 'string');
const isLoss = (loss: Partial<LogLoss> | undefined): loss is LogLoss =>
  typeof loss?.log === 'string' &&
  isPosition(loss.head) &&
  Array.isArray(loss.marks) &&
  loss.marks.every(isMark) &&
  (loss.grown === undefined || isMark({ where: '', ...loss.grown }));
const isAccepting = (accepting: KeptLoss['accepting'] | undefined): accepting is NonNullable<KeptLoss['accepting']> =>
  (accepting?.acknowledged === null || isPosition(accepting?.acknowledged)) &&
  (accepting?.log === undefined || typeof accepting.log === 'string');

/**
 * Whether an embedded log is whole again: it reaches the furthest position seen, holds the events that the marks name, and does
 * not hold the event that was written in place of the missing ones. No process writes to such a log while a loss is kept, so the
 * log has not merely grown.
 */
export async function isWholeAgain(loss: LogLoss, store: EventStore): Promise<boolean> {
  if (reached(loss) > (await store.head()).position) return false;
  if (loss.grown && (await eventAt(store, loss.grown.position)) === loss.grown.eventId) return false;
  for (const { position, eventId } of loss.marks) {
    if (eventId !== undefined && (await eventAt(store, position)) !== eventId) return false;
  }
  return true;
}

/** The id of the event at a position; null if there is none. Positions of an embedded log have no gaps. */
async function eventAt(store: EventStore, position: number): Promise<string | null> {
  if (position === 0) return null;
  for await (const { events } of store.readAll({ after: store.checkpointAt(position - 1), limit: 1 })) return events[0]!.id;
  return null;
}
