/** The audit thread: it follows the log by itself, so the history and questions about the past cost the process's own thread nothing. */
import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { Auditor } from '@nva/audit';
import { createEventCodec } from '@nva/codec';
import { LogFollower, type StreamHead } from '@nva/event-log';
import { systemClock as clock, type Logger, type ArchivableLog } from '@nva/ports';
import { SnapshotDirectory } from '@nva/snapshots';
import { refusalOf } from '../refusals/problem.ts';
import { noProof, Proof } from '../tlog/proof.ts';
import type { AnyAnswer, AnyQuestion, AuditThreadData, FromAudit, Outcome, ToAudit } from './messages.ts';
import { keptVns } from './kept-vns.ts';
import { PastQueries } from './past-queries.ts';

/** Lower than that of the process's own thread, so that on a machine whose processors are all busy, commands come first. */
const PRIORITY = constants.priority.PRIORITY_LOW;

/** Only Linux has priorities of threads; elsewhere the thread has that of the process. */
function lowerPriority(): void {
  try {
    const thread = /\d+$/.exec(readlinkSync('/proc/thread-self'))?.[0];
    if (thread !== undefined && Number(thread) !== process.pid) setPriority(Number(thread), PRIORITY);
  } catch (cause) {
    logger.debug('the audit thread keeps the priority of the process', { err: cause });
  }
}

const port = parentPort!;
const data = workerData as AuditThreadData;
const tell = (message: FromAudit): void => port.postMessage(message);

const line =
  (level: 'debug' | 'info' | 'warn' | 'error'): Logger['info'] =>
  (message, fields = {}) =>
    tell({ kind: 'log', level, message, fields });
const logger: Logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };

const heads = new Map<number, (head: StreamHead | null) => void>();
let asked = 0;

/** An opened log; `told` is where the process has folded to. */
interface OpenLog {
  readonly log: ArchivableLog;
  told(position: number): void;
  close(): Promise<void> | void;
}

async function opened(): Promise<OpenLog> {
  const codec = createEventCodec();
  if ('url' in data.log) {
    const { EventStoreDbEventStore } = await import('@nva/eventstoredb');
    const log = await EventStoreDbEventStore.open({ ...data.log, codec, clock, log: logger });
    return { log, told: () => undefined, close: () => log.close() };
  }
  const log = new LogFollower({
    directory: data.log.directory,
    logId: data.logId,
    codec,
    clock,
    headOf: (stream) =>
      new Promise((resolve) => {
        heads.set(++asked, resolve);
        tell({ kind: 'headOf', id: asked, stream });
      }),
  });
  log.told(data.head);
  return { log, told: (position) => log.told(position), close: () => log.close() };
}

lowerPriority();
const { log, told, close } = await opened();
const { historyPath, snapshotPath, quotas, identityRate, shards } = data;
const snapshots = snapshotPath === null ? null : new SnapshotDirectory({ path: snapshotPath, clock, logger });
const auditor = new Auditor({ log, historyPath, snapshots, vns: keptVns(shards), clock, logger });
const queries = new PastQueries({ auditor, log, archivable: log, clock, quotas, identityRate });
const proof =
  data.proof && new Proof({ settings: data.proof, log, auditor, clock, logger, told: (status) => tell({ kind: 'proof', status }) });
auditor.start();
proof?.start();

function answer(question: AnyQuestion): Promise<AnyAnswer> {
  if (question.kind === 'archive') return queries.archive(question);
  return question.kind === 'proof' ? (proof?.answer(question) ?? noProof()) : queries.answer(question);
}

async function outcomeOf(coming: Promise<AnyAnswer>): Promise<Outcome> {
  try {
    return { ok: await coming };
  } catch (error) {
    const refusal = refusalOf(error);
    if (!refusal) return { failed: error };
    const { code, message, detail } = refusal;
    return { refused: { code, message, detail } };
  }
}

async function take(message: ToAudit): Promise<void> {
  switch (message.kind) {
    case 'ask': {
      const { question } = message;
      if (question.kind !== 'proof') told(question.head);
      return tell({ kind: 'answer', id: message.id, outcome: await outcomeOf(answer(question)) });
    }
    case 'folded':
      return told(message.position);
    case 'head':
      heads.get(message.id)?.(message.head);
      heads.delete(message.id);
      return;
    case 'stop':
      queries.close();
      await proof?.stop();
      await auditor.stop();
      await close();
      tell({ kind: 'stopped' });
      port.close();
  }
}
port.on('message', (message: ToAudit) => void take(message));
