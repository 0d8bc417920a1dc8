import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Reached } from '@nva/audit';
import { FileLock, FileLocked } from '@nva/event-log';
import { sleep, StoreUnavailable, type Clock, type Logger, type Position, type ReadableLog } from '@nva/ports';
import {
  CHECKPOINT_FILE,
  decodeLeaf,
  encodeLeaf,
  formatCheckpoint,
  KeyRefused,
  Malformed,
  parseCheckpoint,
  parseNote,
  signNote,
  TablesTree,
  TreeDamaged,
  TreeFile,
  TreeForked,
  withSignatures,
  Witness,
  type Checkpoint,
  type VnDigest,
} from '@nva/transparency';
import { logKeysOf, type WitnessConfig } from '../config/witnesses-file.ts';
import { ProofKeys } from './proof-keys.ts';
import type { ProofStatus } from './status.ts';
import { WitnessRounds } from './witness-rounds.ts';
import { makeFolder } from './folders.ts';

/** Leaves, or lines of tables, that are made in one turn: about a millisecond. */
const LEAVES_PER_SLICE = 64;
const TABLES_PER_SLICE = 512;
/** Events that are read at once. */
const EVENTS_PER_READ = 4_096;
/** So many files are written before they are synced, without making anybody wait. */
const FILES_BEFORE_FLUSH = 256;
/** Leaves before the last checkpoint that are compared with the log at a start. */
export const COMPARED_AT_START = 256;
/** After a failure, such as a full disk, it is tried again after this time. */
const RETRY_MS = 30_000;
/** A log that seems to end before what was signed may only be behind, on another node of the event store. */
const SHORT_LIMIT_MS = 10_000;

export interface TreeKeeperOptions {
  readonly log: ReadableLog;
  /** Trees are in folders of it, by the UUID of their log. */
  readonly folder: string;
  /** null: a key is made in the tree's folder. */
  readonly keyFile: string | null;
  /** Checkpoints are at least so far apart. */
  readonly everyMs: number;
  readonly witnesses: readonly WitnessConfig[];
  /** Where the fold is whose tables a checkpoint names; null while it has not come to the end of the log. */
  readonly reached: () => Reached | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when the status is another. */
  readonly told?: (status: ProofStatus) => void;
  /** Other times than the usual ones in tests. */
  readonly limits?: { readonly retryMs?: number; readonly shortMs?: number };
}

/** The tables of the last checkpoint. */
export interface CheckpointTables {
  readonly note: string;
  readonly items: readonly VnDigest[];
}

/** A tree that is open, and what is done with it. */
export interface Kept {
  readonly tree: TreeFile;
  readonly keys: ProofKeys;
  readonly witness: Witness;
  /** Of the last leaf. */
  position: Position;
  /** What a tree that is built anew must come to continue. */
  former: Checkpoint | null;
  /** Whether the log was found to have the last leaves. */
  isCompared: boolean;
  tables: CheckpointTables | null;
}

/** Why nothing is signed any more. */
export interface Fork {
  readonly message: string;
  readonly index: number;
  readonly position: Position | null;
}

/**
 * Keeps the Merkle tree of the log: every event is a leaf, and whenever there are new ones, a checkpoint is signed that names the tables
 * of the auditor's fold at that very position. It reads the log by itself, after the auditor and only once that has come to its end, so
 * the history is built as fast as without it. It works in slices, and waits for the disk without keeping its thread.
 *
 * Everything in its folder but key and checkpoint can be made from the log: a damaged tree is thrown away and built anew, and must come to
 * continue the last checkpoint. Where the log does not continue what was signed, nothing is signed any more, and the process goes on.
 */
export class TreeKeeper {
  readonly #options: TreeKeeperOptions;
  readonly #stopping = new AbortController();
  readonly #folder: string;
  readonly #rounds: WitnessRounds;
  #kept: Kept | null = null;
  #fork: Fork | null = null;
  #trouble = 'the proof of this process is being made';
  #damage: TreeDamaged | null = null;
  #rebuilds = false;
  #shortSinceMs: number | null = null;
  #isLogAway = false;
  #forks = 0;
  #madeAtMs: number | null = null;
  #wake: () => void = () => undefined;
  #running: Promise<void> | null = null;

  constructor(options: TreeKeeperOptions) {
    this.#options = options;
    const { folder, log, witnesses, clock, logger } = options;
    this.#folder = join(folder, log.logId);
    this.#rounds = new WitnessRounds({ witnesses, clock, logger, forked: () => this.#found() });
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.nudge();
    await this.#running;
  }

  get fork(): Fork | null {
    return this.#fork;
  }

  get kept(): Kept | null {
    return this.#kept;
  }

  /** Why there is no checkpoint. */
  get trouble(): string {
    return this.#trouble;
  }

  get status(): ProofStatus {
    const { size = 0, position = 0 } = this.#kept?.tree.checkpoint ?? this.#kept?.former ?? {};
    const [forks, witnesses] = [this.#forks, this.#rounds.status];
    return { size, position, madeAtMs: this.#madeAtMs, isForked: this.#fork !== null, forks, witnesses };
  }

  /** Looks for new events at once. */
  nudge(): void {
    this.#wake();
  }

  /** Somebody who used the tree found that its files are damaged. */
  damaged(error: TreeDamaged): void {
    this.#damage = error;
    this.nudge();
  }

  /** Another admin signs another log. */
  foundFork(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#options.logger.error(message, fields);
    this.#found();
  }

  #found(): void {
    this.#forks++;
    this.#tell();
  }

  #tell(): void {
    this.#options.told?.(this.status);
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#keep();
      } catch (cause) {
        if (signal.aborted) return;
        if (cause instanceof TreeForked) {
          this.#forkedAt(cause);
          return;
        }
        if (cause instanceof TreeDamaged && !this.#rebuilds) {
          this.#trouble = 'the proof of this process is being made anew';
          const why = cause.message;
          this.#options.logger.warn('the tree of the proof is damaged, and is built anew from the log', { folder: this.#folder, why });
          this.#rebuilds = true;
          continue;
        }
        await this.#troubled(cause as Error);
      }
    }
  }

  async #troubled(cause: Error): Promise<void> {
    const { clock, logger, limits } = this.#options;
    const afterMs = limits?.retryMs ?? RETRY_MS;
    this.#trouble = `the proof cannot go on: ${cause.message}`;
    if (cause instanceof FileLocked)
      logger.warn('the tree of the proof is another process’s; it is tried again', { why: cause.message, afterMs });
    else logger.error('the proof cannot go on; it is tried again', { err: cause, folder: this.#folder, afterMs });
    await sleep(clock, afterMs, { signal: this.#stopping.signal, background: true }).catch(() => undefined);
  }

  #forkedAt({ message, index, position }: Pick<TreeForked, 'message' | 'index' | 'position'>): void {
    this.#fork = { message, index, position };
    this.#options.logger.error('the log does not continue what was signed of it; nothing more is signed', {
      folder: this.#folder,
      why: message,
      leaf: index,
      position,
    });
    this.#found();
  }

  /** Resolves after a stop; rejects where it cannot go on. */
  async #keep(): Promise<void> {
    makeFolder(this.#options.folder);
    makeFolder(this.#folder);
    const lock = FileLock.take(join(this.#folder, 'lock'));
    try {
      const kept = this.#opened();
      this.#kept = kept;
      this.#tell();
      while (!this.#stopping.signal.aborted) {
        if (this.#damage) {
          const error = this.#damage;
          this.#damage = null;
          throw error;
        }
        await this.#stepOrWait(kept);
        await this.#pause();
      }
    } finally {
      this.#kept = null;
      lock.release();
    }
  }

  #opened(): Kept {
    const { keyFile, witnesses, clock, log, logger } = this.#options;
    const keys = ProofKeys.load(this.#folder, keyFile, `nva/${log.logId}`);
    const options = { folder: this.#folder, origin: keys.origin, logId: log.logId };
    const signed = this.#setAside(logger);
    if (signed !== null && signed.origin !== keys.origin)
      throw new KeyRefused(`the key is of ${keys.origin}, and what was signed of this log is of ${signed.origin}: a log keeps its name`);
    const { tree, former } = this.#rebuilds ? TreeFile.rebuild(options) : { tree: TreeFile.open(options), former: null };
    const last = former === null ? tree.checkpoint : parseCheckpoint(parseNote(former).text);
    keys.adopt(last?.size ?? 0);
    const witness = new Witness({
      folder: join(this.#folder, 'cosigned'),
      signer: keys.cosigner,
      logs: logKeysOf(witnesses),
      nowSeconds: () => Math.floor(clock.wallMs() / 1_000),
    });
    const position = tree.checkpoint?.position ?? 0;
    return { tree, keys, witness, position, former: former === null ? null : last, isCompared: tree.size === 0, tables: null };
  }

  /** The last checkpoint. One that cannot be read is kept for people, and does not count: the cosigners have what it said. */
  #setAside(logger: Logger): Checkpoint | null {
    const path = join(this.#folder, CHECKPOINT_FILE);
    try {
      const note = TreeFile.noteIn(this.#folder);
      return note === null ? null : parseCheckpoint(parseNote(note).text);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      logger.error('the last checkpoint of the proof cannot be read; it is set aside, and the tree is built anew', {
        path: `${path}.damaged`,
        why: error.message,
      });
      renameSync(path, `${path}.damaged`);
      this.#rebuilds = true;
      return null;
    }
  }

  /** A log that cannot be read now, as while an event store elects its leader, is read again: what was appended stays. */
  async #stepOrWait(kept: Kept): Promise<void> {
    try {
      await this.#step(kept);
      this.#isLogAway = false;
    } catch (cause) {
      if (!(cause instanceof StoreUnavailable)) throw cause;
      if (!this.#isLogAway) this.#options.logger.warn('the log cannot be read for the proof now; it is tried again', { err: cause });
      this.#isLogAway = true;
    }
  }

  async #step(kept: Kept): Promise<void> {
    const { tree } = kept;
    if (!this.#reaches(kept)) return;
    if (!kept.isCompared) await this.#compare(kept);
    const reached = this.#options.reached();
    if (!reached) return;
    const { position } = reached;
    if (position === (tree.checkpoint?.position ?? 0) && !kept.former) {
      if (tree.note !== null) kept.tables ??= { note: tree.note, items: reached.tables() };
    } else await this.#sign(kept, position, reached.tables());
    await this.#cosign(kept);
  }

  /** Whether the fold has come as far as what was signed. A log that ends before that is a fork until it does not any more. */
  #reaches({ tree, former }: Kept): boolean {
    const { clock, limits } = this.#options;
    const last = former ?? tree.checkpoint;
    const reached = this.#options.reached();
    if (!reached) return false;
    if (last === null || reached.position >= last.position) {
      this.#shortSinceMs = null;
      if (this.#fork !== null) {
        this.#fork = null;
        this.#options.logger.info('the log continues what was signed of it again', { position: reached.position });
        this.#tell();
      }
      return true;
    }
    this.#shortSinceMs ??= clock.monotonicMs();
    if (this.#fork === null && clock.monotonicMs() - this.#shortSinceMs >= (limits?.shortMs ?? SHORT_LIMIT_MS)) {
      const message = `the log ends at position ${reached.position}, and a tree up to position ${last.position} was signed`;
      this.#forkedAt({ message, index: last.size, position: reached.position });
    }
    return false;
  }

  /** Holds the last leaves against the log. */
  async #compare(kept: Kept): Promise<void> {
    const { log } = this.#options;
    const { tree } = kept;
    const first = Math.max(0, tree.size - COMPARED_AT_START);
    const after = first === 0 ? 0 : decodeLeaf(tree.entry(first - 1)).position;
    let index = first;
    reading: for await (const batch of log.readAll({ ...afterOf(log, after), limit: tree.size - first, withBytes: true })) {
      for (const { position, stream, revision, id, bytes } of batch.events) {
        if (index === tree.size) break reading;
        tree.append(index++, encodeLeaf({ position, stream, revision, id, event: bytes! }));
        if (index % LEAVES_PER_SLICE === 0) await this.#turn();
      }
    }
    if (index < tree.size) throw new TreeForked(`the log has no event for leaf ${index}, which was signed`, index);
    kept.isCompared = true;
  }

  /** Takes the events up to a position, and signs. `tables` are those of that position. */
  async #sign(kept: Kept, position: Position, tables: readonly VnDigest[]): Promise<void> {
    const { log, clock } = this.#options;
    const { tree, keys } = kept;
    await this.#append(kept, position);
    if (kept.former) tree.expectContinues(kept.former);
    const text = formatCheckpoint({
      origin: keys.origin,
      size: tree.size,
      root: tree.root(),
      logId: log.logId,
      position,
      tables: await this.#tablesRoot(tables),
    });
    const nowMs = clock.wallMs();
    const note = signNote(text, [keys.signer], Math.floor(nowMs / 1_000));
    await tree.commitSoon(note);
    Object.assign(kept, { former: null, isCompared: true, tables: { note, items: tables } });
    this.#rebuilds = false;
    this.#madeAtMs = nowMs;
    this.#tell();
  }

  async #append(kept: Kept, to: Position): Promise<void> {
    const { log } = this.#options;
    const { tree } = kept;
    while (kept.position < to) {
      const before = kept.position;
      let taken = 0;
      reading: for await (const batch of log.readAll({ ...afterOf(log, before), limit: EVENTS_PER_READ, withBytes: true })) {
        for (const { position, stream, revision, id, bytes } of batch.events) {
          if (position > to) break reading;
          tree.append(tree.size, encodeLeaf({ position, stream, revision, id, event: bytes! }));
          kept.position = position;
          if (++taken % LEAVES_PER_SLICE === 0) await this.#turn();
        }
      }
      if (kept.position === before) throw new StoreUnavailable(`the log gives no event after position ${before} up to ${to}`);
      if (tree.unsynced >= FILES_BEFORE_FLUSH) await tree.flush();
    }
  }

  async #tablesRoot(tables: readonly VnDigest[]): Promise<Buffer> {
    const tree = new TablesTree();
    for (const [i, table] of tables.entries()) {
      tree.append(table);
      if (i % TABLES_PER_SLICE === TABLES_PER_SLICE - 1) await this.#turn();
    }
    return tree.root();
  }

  /** Asks the witnesses for their cosignatures of the last checkpoint, and puts them below it. */
  async #cosign(kept: Kept): Promise<void> {
    const { tree } = kept;
    if (tree.note === null || !this.#rounds.isDue(tree.checkpoint!.size)) return;
    const signatures = await this.#rounds.ask(tree, tree.note, this.#stopping.signal);
    if (signatures.length > 0) {
      const note = withSignatures(parseNote(tree.note), signatures);
      await tree.cosign(note);
      if (kept.tables) kept.tables = { ...kept.tables, note };
    }
    this.#tell();
  }

  /** Others have their turn. Rejects when it is to stop. */
  async #turn(): Promise<void> {
    await this.#options.clock.turn();
    this.#stopping.signal.throwIfAborted();
  }

  async #pause(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const callOff = this.#options.clock.after(this.#options.everyMs, resolve, { background: true });
      this.#wake = () => (callOff(), resolve());
    });
    this.#wake = () => undefined;
  }
}

const afterOf = (log: ReadableLog, position: Position) => (position === 0 ? {} : { after: log.checkpointAt(position) });
