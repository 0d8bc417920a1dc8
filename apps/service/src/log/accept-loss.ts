import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { LogRefused, reached, type Clock, type EventStore, type Logger, type Position } from '@nva/ports';
import { actorOf } from '@nva/registrar';
import { LOG_STREAM, readLineage } from '@nva/replica';
import { ConfigError, type NvaConfig } from '../config/config.ts';
import { acceptLogEnd, openLog, renewLog } from './open-log.ts';
import { LossFile, type KeptLoss } from './loss-file.ts';

export const ACCEPT_LOSS_COMMAND = 'accept-loss';
export const MAX_REASON_CHARACTERS = 1_000;

/** The reason given with `accept-loss`; null if there are no arguments. Throws ConfigError for any other arguments. */
export function readAcceptLoss(args: readonly string[]): string | null {
  if (args.length === 0) return null;
  const [command, option, reason, ...rest] = args;
  const expected = `expected nothing, or ${ACCEPT_LOSS_COMMAND} --reason "<why>"`;
  if (command !== ACCEPT_LOSS_COMMAND || option !== '--reason' || reason === undefined || rest.length > 0)
    throw new ConfigError(`arguments: ${expected}, got «${args.join(' ')}»`);
  if (reason.trim() === '' || reason.length > MAX_REASON_CHARACTERS || !reason.isWellFormed())
    throw new ConfigError(`--reason: expected text of 1 to ${MAX_REASON_CHARACTERS} characters, got ${reason.length}`);
  return reason;
}

/**
 * Renews the log from its present end: appends an event that says so, gives the log a new UUID, and removes the file about the
 * loss. The event comes first and names the new UUID. Until the log has that UUID, no process starts. So if this is interrupted,
 * the next run finishes what the event says. Throws LogRefused for a log that is open elsewhere.
 */
export async function acceptLoss(config: NvaConfig, reason: string, clock: Clock, logger: Logger): Promise<void> {
  const file = new LossFile(config.dataDir);
  const store = await openedAsItIs(config, file, clock, logger);
  let log: string;
  try {
    const { renewedAs } = await readLineage(store);
    // Was the log renewed already, so that only the file must be removed? If the log is found short again, the file no longer names
    // that UUID.
    const finished = renewedAs === store.logId && readable(file)?.accepting?.log === store.logId;
    log = renewedAs === null || (renewedAs === store.logId && !finished) ? await renewed(store, file, reason, clock, logger) : renewedAs;
  } finally {
    await store.close();
  }
  if (log !== store.logId) await renewLog(config, log, clock);
  file.remove();
  logger.info('the loss is accepted: the log goes on under another UUID', { log });
}

/**
 * Opens the log. If the log is refused because acknowledged events are missing, it is first accepted with its present end. No
 * process starts meanwhile.
 */
async function openedAsItIs(config: NvaConfig, file: LossFile, clock: Clock, logger: Logger): Promise<EventStore> {
  try {
    return await openLog(config, clock, logger);
  } catch (error) {
    if (config.eventStore || !(error instanceof LogRefused)) throw error;
  }
  const kept = readable(file);
  file.write({ loss: kept?.loss ?? null, accepting: { acknowledged: kept?.accepting?.acknowledged ?? null } });
  try {
    const { position, acknowledged, walSetAside } = await acceptLogEnd(config);
    file.write({ loss: kept?.loss ?? null, accepting: { acknowledged } });
    logger.info('the log is taken to end at the last event that it holds', {
      position: String(position),
      acknowledged: acknowledged === null ? null : String(acknowledged),
      walSetAside,
    });
  } catch (error) {
    if (kept) file.write(kept);
    else file.remove();
    throw error;
  }
  return openLog(config, clock, logger);
}

/** Appends the event of the renewal. Returns the UUID that the log is to have. */
async function renewed(store: EventStore, file: LossFile, reason: string, clock: Clock, logger: Logger): Promise<string> {
  const { revision } = await readLineage(store);
  const { position: head } = await store.head();
  const log = randomUUID();
  const kept = readable(file);
  if (kept?.accepting) file.write({ ...kept, accepting: { ...kept.accepting, log } });
  const data = { audit: auditOf(clock), log, previousLog: store.logId, head, lostTo: lostTo(file, store.logId, head), reason };
  const [result] = await store.append([
    { stream: LOG_STREAM, expectedRevision: revision, events: [{ id: randomUUID(), event: { type: 'LogRenewed', data } }] },
  ]);
  if (result!.outcome !== 'appended')
    throw new Error(`somebody else accepted a loss at the same time: stream «${LOG_STREAM}» is at revision ${result!.actualRevision}`);
  logger.info('the end of the log is given up', {
    previousLog: store.logId,
    head: String(head),
    lostTo: data.lostTo === null ? null : String(data.lostTo),
    reason,
    position: String(result!.position),
  });
  return log;
}

/** An unreadable file counts as no file: the loss is accepted, whatever it was. */
function readable(file: LossFile): KeptLoss | null {
  try {
    return file.read();
  } catch {
    return null;
  }
}

function lostTo(file: LossFile, log: string, head: Position): Position | null {
  const kept = readable(file);
  const furthest = Math.max(kept?.loss?.log === log ? reached(kept.loss) : 0, kept?.accepting?.acknowledged ?? 0);
  return furthest > head ? furthest : null;
}

const auditOf = (clock: Clock) => ({
  recordedAt: clock.wallMs(),
  actor: actorOf({ kind: 'operator', name: whoRunsThis() }),
  correlationId: randomUUID(),
  idempotencyKey: null,
  requestDigest: null,
});

/** A user without an entry in the system's user list, as in containers, is given as a number. */
function whoRunsThis(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
