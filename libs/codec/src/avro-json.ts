import avro from 'avsc';
import { CodecError, SchemaNotResolved } from './codec-error.ts';
import { fingerprintOf, type Fingerprint } from './fingerprint.ts';
import { jsonShapeOf, type JsonShape } from './avro-json-shapes.ts';
import { singleObjectHeader, type WriterSchema } from './single-object.ts';

interface Tagged {
  readonly type: string;
  readonly data: object;
}

interface Writer {
  readonly fingerprint: Fingerprint;
  readonly shape: JsonShape;
}

interface Reader {
  readonly name: string;
  readonly shape: JsonShape;
  /** The schema that the text was written with. */
  readonly written: avro.Type;
  /** Undefined when the text was written with today's schema: nothing has to be resolved then. */
  readonly resolve: ((value: unknown) => unknown) | undefined;
}

/** A value in Avro's JSON encoding, ready for JSON.stringify, and the schema that it was written with. */
export interface AvroJson {
  readonly fingerprint: Fingerprint;
  readonly json: unknown;
}

// A fresh object each time: avsc registers every named type in the options it is given.
const parse = (schema: unknown): avro.Type =>
  avro.Type.forSchema(structuredClone(schema) as avro.Schema, { omitRecordMethods: true, wrapUnions: false } as avro.ForSchemaOptions);

/**
 * Avro's JSON encoding (Avro specification, «JSON Encoding») for the same closed set of record types as SingleObjectCodec, for
 * stores whose own tools read JSON. The text does not contain the schema: its fingerprint must be kept beside the text.
 *
 * A text under an older or newer schema is read by that schema first, then resolved to today's (Avro specification, «Schema
 * Resolution») by way of the binary encoding: the specification defines resolution on the binary encoding, and JSON leaves out
 * what resolution needs.
 */
export class AvroJsonCodec<V extends Tagged> {
  readonly #types = new Map<string, avro.Type>();
  readonly #writers = new Map<string, Writer>();
  readonly #readers = new Map<Fingerprint, Reader>();

  /** `schemas` are today's, each a self-contained record. */
  constructor(schemas: readonly WriterSchema[]) {
    for (const { fingerprint, schema } of schemas) {
      const { name } = schema as { readonly name: string };
      const shape = jsonShapeOf(schema);
      const written = parse(schema);
      this.#types.set(name, written);
      this.#writers.set(name, { fingerprint, shape });
      this.#readers.set(fingerprint, { name, shape, written, resolve: undefined });
    }
  }

  /** Today's schemas, and those that were taught. */
  get schemas(): readonly object[] {
    return [...this.#readers.values()].map(({ written }) => written.schema({ exportAttrs: true }) as object);
  }

  knows(fingerprint: Fingerprint): boolean {
    return this.#readers.has(fingerprint);
  }

  /**
   * Teaches a writer's schema. Returns its fingerprint; null if no type here has its name. Throws CodecError if the schema is
   * invalid, or if its values cannot be resolved to today's type.
   */
  learn(schema: unknown): Fingerprint | null {
    let writer: avro.Type;
    try {
      writer = parse(schema);
    } catch (cause) {
      throw new CodecError('not an Avro schema', { cause });
    }
    const fingerprint = fingerprintOf(JSON.stringify(writer.schema()));
    const name = (writer.name ?? '').split('.').pop()!;
    const reader = this.#types.get(name);
    if (!reader) return null;
    if (this.#readers.has(fingerprint)) return fingerprint;
    try {
      const resolver = reader.createResolver(writer);
      this.#readers.set(fingerprint, {
        name,
        shape: jsonShapeOf(schema),
        written: writer,
        resolve: (value) => reader.fromBuffer(writer.toBuffer(value), resolver) as unknown,
      });
    } catch (cause) {
      throw new SchemaNotResolved(`schema ${fingerprint} of ${name} cannot be resolved to today's`, { cause });
    }
    return fingerprint;
  }

  /** Throws CodecError that names the field whose value its schema does not allow. */
  encode(value: V): AvroJson {
    const writer = this.#writers.get(value.type);
    if (!writer) throw new CodecError(`no schema for «${value.type}»`);
    return { fingerprint: writer.fingerprint, json: writer.shape.write(value.data, value.type) };
  }

  /** `json` is what JSON.parse gave. Throws CodecError: unknown fingerprint, or not a value of that schema. */
  decode(fingerprint: Fingerprint, json: unknown): V {
    const reader = this.#readers.get(fingerprint);
    if (!reader) throw new CodecError(`unknown schema ${fingerprint}`);
    const written = reader.shape.read(json, reader.name);
    try {
      return { type: reader.name, data: reader.resolve ? reader.resolve(written) : written } as unknown as V;
    } catch (cause) {
      throw new CodecError(`malformed ${reader.name}`, { cause });
    }
  }

  /** The same value in single-object encoding by the schema that the text was written with. Throws as `decode` does. */
  toBytes(fingerprint: Fingerprint, json: unknown): Buffer {
    const reader = this.#readers.get(fingerprint);
    if (!reader) throw new CodecError(`unknown schema ${fingerprint}`);
    return Buffer.concat([singleObjectHeader(fingerprint), reader.written.toBuffer(reader.shape.read(json, reader.name))]);
  }
}
