import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Auditor } from '@nva/audit';
import { createEventCodec, eventSchemas } from '@nva/codec';
import { importLog, SqliteEventStore } from '@nva/event-log';
import { FeedDigests, Network } from '@nva/fold';
import { silentLogger, systemClock, type EventStore, type Logger, type Position, type RecordedEvent } from '@nva/ports';
import { encodeLeaf, openCheckpoint, parseVerifier, type KnownKeys, type OpenedCheckpoint, type VnDigest } from '@nva/transparency';
import { someLog } from '../../../libs/snapshots/test/support.ts';
import { Proof, type ProofSettings } from '../src/tlog/proof.ts';
import type { ProofQuestion } from '../src/tlog/questions.ts';
import { until } from './support.ts';

export const LOG_ID = '0195f2a0-0000-7000-8000-0000000000aa';

/** Events of a log, by the seed that they are made from, at the positions of an embedded log. */
export const eventsOf = (seed: number, count = Number.POSITIVE_INFINITY): readonly RecordedEvent[] =>
  someLog(seed, 1_500)
    .slice(0, count)
    .map((event, i) => ({ ...event, position: i + 1, id: `0195f2a0-0000-7000-8000-${(i + 1).toString(16).padStart(12, '0')}` }));

/** An embedded log that has these events. */
export async function logOf(directory: string, events: readonly RecordedEvent[], logId = LOG_ID): Promise<SqliteEventStore> {
  const codec = createEventCodec();
  async function* batches() {
    yield events.map(({ position, stream, revision, id, event }) => ({ position, stream, revision, id, bytes: codec.encode(event) }));
  }
  rmSync(directory, { recursive: true, force: true });
  await importLog({ directory, logId, schemas: Object.values(eventSchemas), clock: systemClock }, batches());
  return SqliteEventStore.open({ directory, codec: createEventCodec(), clock: systemClock, logger: silentLogger });
}

/** The events as a writer would append them. */
export async function append(store: EventStore, events: readonly RecordedEvent[]): Promise<void> {
  await store.append(
    events.map(({ stream, revision, id, event }) => ({ stream, expectedRevision: revision - 1, events: [{ id, event }] })),
  );
}

/** The digests of the living VNs after these events, by a fold of their own. */
export function tablesAfter(events: readonly RecordedEvent[]): readonly VnDigest[] {
  const [network, digests] = [new Network(), new FeedDigests()];
  for (const event of events) digests.apply(event.position, network.apply(event));
  return [...network.vns.values()]
    .filter(({ alive }) => alive)
    .map(({ state }) => ({ vnid: state.vnid, digest: digests.current(`vn/${state.vnid}`).digest }));
}

export async function entriesIn(store: Pick<EventStore, 'readAll'>): Promise<readonly Buffer[]> {
  const entries: Buffer[] = [];
  for await (const { events } of store.readAll({ withBytes: true }))
    for (const { position, stream, revision, id, bytes } of events)
      entries.push(encodeLeaf({ position, stream, revision, id, event: bytes! }));
  return entries;
}

export interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

type Without<Q> = Q extends ProofQuestion ? Omit<Q, 'kind'> : never;
type Asked = Without<ProofQuestion>;

/** A folder for one test, and what is kept and said in it. */
export class ProofFixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'nva-proof-'));
  readonly lines: Line[] = [];
  readonly #running = new Set<KeptProof>();

  get logger(): Logger {
    const line =
      (level: string): Logger['info'] =>
      (message, fields = {}) =>
        void this.lines.push({ level, message, fields });
    return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  }

  said(level: string): readonly string[] {
    return this.lines.filter((one) => one.level === level).map(({ message }) => message);
  }

  /** Where the tree of a log is. */
  treeOf(logId = LOG_ID): string {
    return join(this.folder, 'proof', logId);
  }

  /** Keeps the proof of a log, with an auditor of its own. */
  keep(store: EventStore, settings: Partial<ProofSettings> = {}, name = 'one'): KeptProof {
    const logger = this.logger;
    const auditor = new Auditor({
      log: store,
      historyPath: join(this.folder, `history-${name}.sqlite`),
      snapshots: null,
      clock: systemClock,
      logger,
    });
    const proof = new Proof({
      settings: { folder: join(this.folder, 'proof'), keyFile: null, everyMs: 10, witnesses: [], ...settings },
      log: store,
      auditor,
      clock: systemClock,
      logger,
      limits: { retryMs: 50, shortMs: 100 },
    });
    auditor.start();
    proof.start();
    const kept = new KeptProof(proof, async () => {
      this.#running.delete(kept);
      await proof.stop();
      await auditor.stop();
    });
    this.#running.add(kept);
    return kept;
  }

  async remove(): Promise<void> {
    for (const kept of this.#running) await kept.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class KeptProof {
  readonly proof: Proof;
  readonly stop: () => Promise<void>;

  constructor(proof: Proof, stop: () => Promise<void>) {
    this.proof = proof;
    this.stop = stop;
  }

  async text(question: Asked): Promise<string> {
    const answer = await this.proof.answer({ kind: 'proof', ...question } as ProofQuestion);
    return 'text' in answer ? answer.text : '';
  }

  async json<T = Record<string, unknown>>(question: Asked): Promise<T> {
    return JSON.parse(await this.text(question)) as T;
  }

  /** Its keys, as a verifier would be given them. */
  async keys(): Promise<{ readonly origin: string; readonly known: KnownKeys }> {
    const { origin, current, former } = await this.json<{
      origin: string;
      current: string[];
      former: { key: string; untilSize: number }[];
    }>({ ask: 'keys' });
    return {
      origin,
      known: {
        current: current.map(parseVerifier),
        former: former.map(({ key, untilSize }) => ({ verifier: parseVerifier(key), untilSize })),
      },
    };
  }

  /** The checkpoint, verified, once it is of this position. */
  async checkpointAt(position: Position): Promise<OpenedCheckpoint> {
    await until(() => this.proof.status.position >= position);
    const { origin, known } = await this.keys();
    return openCheckpoint(await this.text({ ask: 'checkpoint' }), origin, known);
  }
}
