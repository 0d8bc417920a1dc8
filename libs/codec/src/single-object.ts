import avro from 'avsc';
import { fingerprintOf, type Fingerprint } from './fingerprint.ts';
import { CodecError, SchemaNotResolved } from './codec-error.ts';

/**
 * Avro single-object encoding for a closed set of record types:
 *
 *     C3 01 | CRC-64-AVRO fingerprint of the writer's schema, 8 bytes little-endian | Avro binary body
 *
 * A reader finds the writer's schema by its fingerprint and resolves it to its own (Avro specification, «Schema Resolution»), so
 * bytes written under an older or newer schema are read as today's types. Schemas other than today's must be taught first
 * (`learn`): the log keeps them beside its events, the feeds keep them on their schemas topic.
 */
const MARKER_0 = 0xc3;
const MARKER_1 = 0x01;
const HEADER_BYTES = 10;

/** What stands before the body of a value. */
export function singleObjectHeader(fingerprint: Fingerprint): Buffer {
  const header = Buffer.from([MARKER_0, MARKER_1, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeBigUInt64LE(BigInt(`0x${fingerprint}`), 2);
  return header;
}

interface Tagged<T extends string> {
  readonly type: T;
  readonly data: object;
}

interface Writer {
  readonly type: avro.Type;
  readonly header: Buffer;
}

interface Reader<T extends string> {
  readonly name: T;
  readonly type: avro.Type;
  /** Undefined when the bytes were written with today's schema: decoding needs no resolution then. */
  readonly resolver: avro.Resolver | undefined;
}

interface LowWord<T extends string> {
  readonly high: number;
  readonly reader: Reader<T>;
}

export interface WriterSchema {
  readonly fingerprint: Fingerprint;
  readonly schema: unknown;
}

// avsc documents decode(buffer, pos, resolver) and returns the offset that it read to; a truncated body gives offset -1.
// A fresh object each time: avsc registers every named type in the options it is given.
const parseOptions = (): avro.ForSchemaOptions => ({ omitRecordMethods: true, wrapUnions: false }) as avro.ForSchemaOptions;

export class SingleObjectCodec<V extends Tagged<string>> {
  readonly #writers = new Map<string, Writer>();
  readonly #current: WriterSchema[] = [];
  readonly #byLowWord = new Map<number, LowWord<V['type']>[]>();

  /** `schemas` are today's, by record name; each is self-contained. */
  constructor(schemas: Readonly<Record<V['type'], object>>) {
    for (const [name, schema] of Object.entries(schemas)) {
      const type = avro.Type.forSchema(schema as avro.Schema, parseOptions());
      const fingerprint = fingerprintOf(JSON.stringify(type.schema()));
      const header = singleObjectHeader(fingerprint);
      this.#writers.set(name, { type, header });
      this.#current.push({ fingerprint, schema });
      this.#addReader(header, { name: name as V['type'], type, resolver: undefined });
    }
  }

  /** Today's schemas. A reader of what is written now may have to be taught them. */
  get schemas(): readonly WriterSchema[] {
    return this.#current;
  }

  /**
   * Teaches a writer's schema. Returns its fingerprint; null if no type here has its name, so bytes under it can never be read.
   * Throws CodecError if its values cannot be resolved to today's type.
   */
  learn(schema: unknown): Fingerprint | null {
    let writer: avro.Type;
    try {
      writer = avro.Type.forSchema(schema as avro.Schema, parseOptions());
    } catch (cause) {
      throw new CodecError('not an Avro schema', { cause });
    }
    const name = (writer.name ?? '').split('.').pop()!;
    const reader = this.#writers.get(name);
    const fingerprint = fingerprintOf(JSON.stringify(writer.schema()));
    if (!reader) return null;
    const header = singleObjectHeader(fingerprint);
    if (this.#find(header, 0)) return fingerprint;
    try {
      this.#addReader(header, { name: name as V['type'], type: reader.type, resolver: reader.type.createResolver(writer) });
    } catch (cause) {
      throw new SchemaNotResolved(`schema ${fingerprint} of ${name} cannot be resolved to today's`, { cause });
    }
    return fingerprint;
  }

  knows(fingerprint: Fingerprint): boolean {
    return this.#find(singleObjectHeader(fingerprint), 0) !== undefined;
  }

  /** Fingerprint of the schema that `bytes` were written with, or null if they are not in single-object encoding. */
  fingerprintIn(bytes: Uint8Array, start = 0): Fingerprint | null {
    if (bytes.length < start + HEADER_BYTES || bytes[start] !== MARKER_0 || bytes[start + 1] !== MARKER_1) return null;
    return Buffer.from(bytes.subarray(start + 2, start + HEADER_BYTES))
      .readBigUInt64LE()
      .toString(16)
      .padStart(16, '0');
  }

  encode(value: V): Buffer {
    const { type, header } = this.#writer(value);
    this.#assertValid(type, value);
    return Buffer.concat([header, type.toBuffer(value.data)]);
  }

  /**
   * Encodes into `target` from `start`. Returns the offset after the last byte, or a negative number whose magnitude is the
   * number of missing bytes; the bytes written are then void.
   */
  encodeInto(value: V, target: Buffer, start: number): number {
    const { type, header } = this.#writer(value);
    header.copy(target, start);
    let end: number;
    try {
      end = type.encode(value.data, target, start + HEADER_BYTES);
    } catch (cause) {
      throw new CodecError(`not a ${value.type}`, { cause });
    }
    return end;
  }

  /** Decodes `bytes` from `start` to `end`, which must be exactly one value. Throws CodecError. */
  decode(bytes: Buffer, start = 0, end = bytes.length): V {
    const reader = end - start < HEADER_BYTES ? undefined : this.#find(bytes, start);
    if (!reader) {
      const fingerprint = this.fingerprintIn(bytes.subarray(start, end));
      throw new CodecError(fingerprint ? `unknown schema ${fingerprint}` : 'not in Avro single-object encoding');
    }
    let result: { value: unknown; offset: number };
    try {
      result = reader.type.decode(bytes, start + HEADER_BYTES, reader.resolver);
    } catch (cause) {
      throw new CodecError(`malformed ${reader.name}`, { cause });
    }
    if (result.offset !== end)
      throw new CodecError(`malformed ${reader.name}: ${result.offset < 0 || result.offset > end ? 'truncated' : 'trailing bytes'}`);
    return { type: reader.name, data: result.value } as unknown as V;
  }

  #writer(value: V): Writer {
    const writer = this.#writers.get(value.type);
    if (!writer) throw new CodecError(`no schema for «${value.type}»`);
    return writer;
  }

  #assertValid(type: avro.Type, value: V): void {
    if (type.isValid(value.data)) return;
    const paths: string[] = [];
    type.isValid(value.data, { errorHook: (path: string[]) => paths.push(path.join('.')) });
    throw new CodecError(`not a ${value.type}: ${paths.join(', ') || 'wrong type'}`);
  }

  #addReader(header: Buffer, reader: Reader<V['type']>): void {
    const low = header.readUInt32LE(2);
    const entry = { high: header.readUInt32LE(6), reader };
    const entries = this.#byLowWord.get(low);
    if (entries) entries.push(entry);
    else this.#byLowWord.set(low, [entry]);
  }

  #find(bytes: Buffer, start: number): Reader<V['type']> | undefined {
    if (bytes[start] !== MARKER_0 || bytes[start + 1] !== MARKER_1) return undefined;
    const entries = this.#byLowWord.get(bytes.readUInt32LE(start + 2));
    if (!entries) return undefined;
    const high = bytes.readUInt32LE(start + 6);
    for (const entry of entries) if (entry.high === high) return entry.reader;
    return undefined;
  }
}
