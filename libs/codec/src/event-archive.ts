import avro from 'avsc';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { CodecError } from './codec-error.ts';
import type { EventCodec } from './codecs.ts';
import { eventSchemas } from './generated/schemas.ts';
import type { NvaEvent } from './generated/types.ts';
import { singleObjectHeader } from './single-object.ts';

/**
 * The events of a log in an Avro object container file (Avro specification, «Object Container Files»), which every Avro
 * implementation reads. An event is there twice: decoded, by today's schemas, for whoever reads the file; and as the bytes that the
 * log has, from which the log can be made again and proven.
 */
const MAGIC = Buffer.of(0x4f, 0x62, 0x6a, 0x01);
const SYNC_BYTES = 16;
/** What a reader takes. Blocks are made of some hundred events. */
const MAX_HEADER_BYTES = 8 * 1024 * 1024;
const MAX_BLOCK_BYTES = 64 * 1024 * 1024;
const MAX_EVENTS_PER_BLOCK = 1_000_000;
const FORMAT = '1';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** An event as it is archived. */
export interface ArchivedEvent {
  readonly position: number;
  readonly stream: string;
  readonly revision: number;
  readonly id: string;
  /** In single-object encoding, by the schema that it was recorded with. */
  readonly bytes: Uint8Array;
}

export interface ArchiveHeader {
  /** UUID of the log. */
  readonly log: string;
  /** Position of the last event in the archive, by which a reader knows that it is whole; 0 if it has none. */
  readonly to: number;
  /** The schemas that the bytes of events may be under. */
  readonly schemas: readonly object[];
}

interface Checked extends ArchivedEvent {
  readonly crc: number;
}

/** The archive is not whole, or not one. */
export class ArchiveDamaged extends Error {
  override readonly name = 'ArchiveDamaged';
}

type Schema = string | readonly Schema[] | { readonly [key: string]: unknown };

/** In one schema, a type is defined once and named from then on. */
function named(schema: Schema, namespace: string, known: Set<string>): Schema {
  if (typeof schema === 'string') return schema;
  if (Array.isArray(schema)) return schema.map((branch: Schema) => named(branch, namespace, known));
  const one = schema as { readonly [key: string]: unknown };
  const own = typeof one['namespace'] === 'string' ? one['namespace'] : namespace;
  if (typeof one['name'] === 'string') {
    const full = one['name'].includes('.') ? one['name'] : `${own}.${one['name']}`;
    if (known.has(full)) return full;
    known.add(full);
  }
  return Object.fromEntries(
    Object.entries(one).map(([key, value]) => {
      if (key === 'fields') return [key, (value as { type: Schema }[]).map((field) => ({ ...field, type: named(field.type, own, known) }))];
      return [key, key === 'type' || key === 'items' || key === 'values' ? named(value as Schema, own, known) : value];
    }),
  );
}

const TYPES = Object.keys(eventSchemas) as readonly NvaEvent['type'][];

const FIELDS = [
  { name: 'position', type: 'long', doc: 'Where it stands in the log.' },
  { name: 'stream', type: 'string', doc: 'The stream of its aggregate.' },
  { name: 'revision', type: 'long', doc: 'Its number in the stream, from 0 on.' },
  { name: 'id', type: 'string', doc: 'Its UUID.' },
  { name: 'bytes', type: 'bytes', doc: 'As the log has it: Avro single-object encoding, by the schema that it was recorded with.' },
  { name: 'crc', type: 'long', doc: 'CRC-32 of the text «<position> <stream> <revision> <id>» and of the bytes.' },
] as const;

const SCHEMA = {
  type: 'record',
  name: 'ArchivedEvent',
  namespace: 'nvo3.archive.v1',
  doc: 'An event of the log.',
  fields: [
    ...FIELDS,
    {
      name: 'event',
      type: TYPES.map((type) => eventSchemas[type] as Schema),
      doc: 'The same, decoded, by the schemas of the build that made this archive.',
    },
  ],
};

const withoutMethods = (wrapUnions: boolean): avro.ForSchemaOptions => ({ omitRecordMethods: true, wrapUnions }) as avro.ForSchemaOptions;
const metaType = avro.Type.forSchema({ type: 'map', values: 'bytes' });
const longType = avro.Type.forSchema('long');
const envelope = avro.Type.forSchema({ ...SCHEMA, fields: [...FIELDS] } as unknown as avro.Schema, withoutMethods(false));

/** Makes an archive. Its parts, one behind the other, are the file. */
export class ArchiveWriter {
  readonly #codec: EventCodec;
  readonly #header: ArchiveHeader;
  readonly #sync: Buffer;

  constructor(codec: EventCodec, header: ArchiveHeader) {
    this.#codec = codec;
    this.#header = header;
    this.#sync = Buffer.from(header.log.replaceAll('-', ''), 'hex');
    if (this.#sync.length !== SYNC_BYTES) throw new CodecError(`a log is named by a UUID, got «${header.log}»`);
  }

  /** The beginning of the file. */
  header(): Buffer {
    const { log, to, schemas } = this.#header;
    const meta = {
      'avro.schema': JSON.stringify(named(SCHEMA as unknown as Schema, '', new Set())),
      'avro.codec': 'deflate',
      'nva.format': FORMAT,
      'nva.log': log,
      'nva.to': String(to),
      'nva.schemas': JSON.stringify(schemas),
    };
    const bytes = Object.fromEntries(Object.entries(meta).map(([key, value]) => [key, Buffer.from(value)]));
    return Buffer.concat([MAGIC, metaType.toBuffer(bytes), this.#sync]);
  }

  /** A block of consecutive events, at least one. */
  block(events: readonly ArchivedEvent[]): Buffer {
    const records = events.map(({ position, stream, revision, id, bytes }) => {
      const stored = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const event = this.#codec.decode(stored);
      const index = longType.toBuffer(TYPES.indexOf(event.type));
      const body = this.#codec.encode(event).subarray(singleObjectHeader('0').length);
      const crc = crcOf({ position, stream, revision, id, bytes });
      return Buffer.concat([envelope.toBuffer({ position, stream, revision, id, bytes: stored, crc }), index, body]);
    });
    const data = deflateRawSync(Buffer.concat(records));
    return Buffer.concat([longType.toBuffer(events.length), longType.toBuffer(data.length), data, this.#sync]);
  }
}

const crcOf = ({ position, stream, revision, id, bytes }: ArchivedEvent): number =>
  crc32(bytes, crc32(`${position} ${stream} ${revision} ${id}`));

export interface Archive {
  readonly header: ArchiveHeader;
  /** In order; throws ArchiveDamaged where the archive is not what was written, or ends too early. */
  readonly events: AsyncIterable<readonly ArchivedEvent[]>;
}

/** Reads an archive from its bytes, in pieces of any size. Throws ArchiveDamaged. */
export async function readArchive(pieces: AsyncIterable<Uint8Array>): Promise<Archive> {
  const input = new Input(pieces);
  const magic = await input.take(MAGIC.length);
  if (!magic.equals(MAGIC)) throw new ArchiveDamaged('it is no Avro object container file');
  const meta = (await input.value(metaType, MAX_HEADER_BYTES, 'its header')) as Readonly<Record<string, Buffer>>;
  const sync = await input.take(SYNC_BYTES);
  const header = headerOf(meta);
  return { header, events: blocks(input, sync, readerOf(meta), header.to) };
}

function headerOf(meta: Readonly<Record<string, Buffer>>): ArchiveHeader {
  const text = (key: string): string => {
    const value = meta[key];
    if (!value) throw new ArchiveDamaged(`it is no archive of a log: its header has no ${key}`);
    return value.toString();
  };
  if (text('nva.format') !== FORMAT) throw new ArchiveDamaged(`it has format ${text('nva.format')}, and this build reads ${FORMAT}`);
  if (text('avro.codec') !== 'deflate') throw new ArchiveDamaged(`its blocks are compressed by ${text('avro.codec')} and not by deflate`);
  const [log, to] = [text('nva.log'), text('nva.to')];
  if (!/^\d{1,16}$/.test(to) || !Number.isSafeInteger(Number(to))) throw new ArchiveDamaged(`its last position is «${to}»`);
  if (!UUID.test(log)) throw new ArchiveDamaged(`its log is named «${log}», which is no UUID`);
  return { log, to: Number(to), schemas: schemasIn(text('nva.schemas')) };
}

function schemasIn(text: string): readonly object[] {
  const schemas = parsed(text);
  if (!Array.isArray(schemas) || schemas.some((one) => typeof one !== 'object' || one === null))
    throw new ArchiveDamaged('its header has no list of schemas');
  try {
    for (const schema of schemas as readonly avro.Schema[]) avro.Type.forSchema(schema, withoutMethods(true));
  } catch (cause) {
    throw new ArchiveDamaged('its header has a schema that is none', { cause });
  }
  return schemas as readonly object[];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ArchiveDamaged('its header cannot be read', { cause });
  }
}

/** Reads the envelope of a record, and passes over the decoded event, whose schemas may be of another build. */
function readerOf(meta: Readonly<Record<string, Buffer>>): (bytes: Buffer, start: number) => { value: Checked; offset: number } {
  try {
    const written = avro.Type.forSchema(parsed(meta['avro.schema']!.toString()) as avro.Schema, withoutMethods(true));
    const resolver = envelope.createResolver(written);
    return (bytes, start) =>
      (envelope as unknown as { decode(b: Buffer, s: number, r: avro.Resolver): { value: Checked; offset: number } }).decode(
        bytes,
        start,
        resolver,
      );
  } catch (cause) {
    if (cause instanceof ArchiveDamaged) throw cause;
    throw new ArchiveDamaged('its schema is not that of an archive', { cause });
  }
}

async function* blocks(
  input: Input,
  sync: Buffer,
  read: ReturnType<typeof readerOf>,
  to: number,
): AsyncGenerator<readonly ArchivedEvent[], void> {
  let last = 0;
  const where = (): string => (last === 0 ? 'at its beginning' : `after position ${last}`);
  while (!(await input.isAtEnd())) {
    const count = (await input.value(longType, 16, `the block ${where()}`)) as number;
    const size = (await input.value(longType, 16, `the block ${where()}`)) as number;
    if (!(count >= 1 && count <= MAX_EVENTS_PER_BLOCK && size >= 0 && size <= MAX_BLOCK_BYTES))
      throw new ArchiveDamaged(`the block ${where()} says that it has ${count} events in ${size} bytes`);
    const data = await input.take(size, `the block ${where()}`);
    if (!(await input.take(SYNC_BYTES, `the block ${where()}`)).equals(sync))
      throw new ArchiveDamaged(`the block ${where()} does not end where it should`);
    const events = eventsIn(data, count, read, where());
    for (const { position } of events) {
      if (position <= last) throw new ArchiveDamaged(`position ${position} comes after position ${last}`);
      last = position;
    }
    yield events;
  }
  if (last !== to) throw new ArchiveDamaged(`it ends at position ${last}, and should end at ${to}: it was cut off`);
}

function eventsIn(data: Buffer, count: number, read: ReturnType<typeof readerOf>, where: string): readonly ArchivedEvent[] {
  const events: ArchivedEvent[] = [];
  try {
    const bytes = inflateRawSync(data, { maxOutputLength: 4 * MAX_BLOCK_BYTES });
    let at = 0;
    for (let i = 0; i < count; i++) {
      const { value, offset } = read(bytes, at);
      if (offset < 0 || offset > bytes.length) throw new ArchiveDamaged('an event is cut off');
      const { crc, ...event } = value;
      if (crc !== crcOf(event)) throw new ArchiveDamaged(`the event at position ${event.position} is not what was written`);
      events.push({ ...event, bytes: Buffer.from(event.bytes) });
      at = offset;
    }
    if (at !== bytes.length) throw new ArchiveDamaged('there is more than its events');
    return events;
  } catch (cause) {
    throw new ArchiveDamaged(`the block ${where} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Pieces of any size, taken in the sizes that are needed. */
class Input {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #at = Buffer.alloc(0);
  #ended = false;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#at.length === 0 && !this.#ended) await this.#more();
    return this.#at.length === 0;
  }

  async take(size: number, what = 'its header'): Promise<Buffer> {
    while (this.#at.length < size && !this.#ended) await this.#more(size);
    if (this.#at.length < size) throw new ArchiveDamaged(`it is cut off in ${what}`);
    const taken = this.#at.subarray(0, size);
    this.#at = this.#at.subarray(size);
    return taken;
  }

  /** A value of which only its own bytes say how long it is. */
  async value(type: avro.Type, max: number, what: string): Promise<unknown> {
    for (;;) {
      const { value, offset } = decoded(type, this.#at, what);
      if (offset >= 0 && offset <= this.#at.length) {
        this.#at = this.#at.subarray(offset);
        return value;
      }
      if (this.#ended) throw new ArchiveDamaged(`it is cut off in ${what}`);
      if (this.#at.length > max) throw new ArchiveDamaged(`${what} is larger than ${max} bytes`);
      await this.#more(Math.min(2 * this.#at.length, max + 1));
    }
  }

  /** At least one more piece; more of them up to a size. */
  async #more(size = 0): Promise<void> {
    const pieces: Uint8Array[] = [this.#at];
    let bytes = this.#at.length;
    do {
      const { value, done } = await this.#pieces.next();
      if (done) {
        this.#ended = true;
        break;
      }
      pieces.push(value);
      bytes += value.length;
    } while (bytes < size);
    this.#at = Buffer.concat(pieces);
  }
}

function decoded(type: avro.Type, bytes: Buffer, what: string): { readonly value: unknown; readonly offset: number } {
  try {
    return (type as unknown as { decode(b: Buffer, s: number): { value: unknown; offset: number } }).decode(bytes, 0);
  } catch (cause) {
    throw new ArchiveDamaged(`${what} cannot be read`, { cause });
  }
}
