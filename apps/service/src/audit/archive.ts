import type { At, Auditor } from '@nva/audit';
import { ArchiveWriter, createEventCodec, type ArchivedEvent } from '@nva/codec';
import { Refusal } from '@nva/identifiers';
import type { ArchivableLog, Position } from '@nva/ports';

/** Events of one part, and bytes, whichever comes first. */
const EVENTS_PER_PART = 2_048;
const BYTES_PER_PART = 1024 * 1024;

/** A part of the log's archive up to an instant: its beginning, or the events after a position. */
export type ArchiveQuestion =
  | { readonly kind: 'archive'; readonly part: 'beginning'; readonly to: At | null; readonly head: Position }
  | { readonly kind: 'archive'; readonly part: 'events'; readonly after: Position; readonly to: Position; readonly head: Position };

export interface ArchivePart {
  readonly bytes: Uint8Array;
  /** UUID of the log. */
  readonly log: string;
  /** Position of the last event in the part; 0 for the beginning. */
  readonly last: Position;
  /** Position of the last event of the whole. */
  readonly to: Position;
}

/** Makes the parts of the log's archive. They are made one by one, as they are asked for, and nothing is kept between them. */
export class Archiver {
  readonly #log: ArchivableLog | null;
  readonly #auditor: Auditor;

  /** `log` null: this process has a log that cannot be archived. */
  constructor(log: ArchivableLog | null, auditor: Auditor) {
    this.#log = log;
    this.#auditor = auditor;
  }

  /** Rejects with a Refusal. */
  async part(question: ArchiveQuestion): Promise<ArchivePart> {
    const log = this.#log;
    if (!log) throw new Refusal('not-found', 'the log of this process cannot be exported');
    if (question.part === 'events') return this.#events(log, question.after, question.to);
    const { head } = question;
    const to = question.to ? (await this.#auditor.instant(question.to, head, 'to')).position : head;
    return { bytes: writerOf(log, to).header(), log: log.logId, last: 0, to };
  }

  async #events(log: ArchivableLog, after: Position, to: Position): Promise<ArchivePart> {
    const events: ArchivedEvent[] = [];
    let size = 0;
    reading: for await (const batch of log.readAll({ after: log.checkpointAt(after), limit: EVENTS_PER_PART, withBytes: true })) {
      for (const { position, stream, revision, id, bytes } of batch.events) {
        if (position > to) break reading;
        events.push({ position, stream, revision, id, bytes: bytes! });
        size += bytes!.length;
        if (size >= BYTES_PER_PART) break reading;
      }
    }
    if (events.length === 0) throw new Refusal('log-unavailable', `the log has no event between positions ${after} and ${to} now`);
    return { bytes: writerOf(log, to).block(events), log: log.logId, last: events.at(-1)!.position, to };
  }
}

function writerOf(log: ArchivableLog, to: Position): ArchiveWriter {
  const codec = createEventCodec();
  const schemas = log.schemas();
  for (const schema of schemas) codec.learn(schema);
  return new ArchiveWriter(codec, { log: log.logId, to, schemas });
}
