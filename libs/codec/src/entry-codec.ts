import avro from 'avsc';
import { CodecError } from './codec-error.ts';

/** Entries of one kind in plain Avro, one after the other. The surrounding format says which kind and how many. */
export interface EntryCodec<T> {
  /**
   * Encodes into `target` from `start`. Returns the offset after the last byte, or a negative number whose magnitude is the
   * number of missing bytes; the bytes written are then void. Throws CodecError for a value that the schema does not allow.
   */
  encodeInto(value: T, target: Buffer, start: number): number;
  /** The entry at `start`, and the offset after it. Throws CodecError. */
  decode(bytes: Buffer, start: number): { readonly value: T; readonly offset: number };
}

/** A codec of a schema, whose canonical text is added to `canonical`. */
export function entryCodec<T>(schema: object | 'string', canonical: string[]): EntryCodec<T> {
  const type = avro.Type.forSchema(schema as avro.Schema, { omitRecordMethods: true, wrapUnions: false } as avro.ForSchemaOptions);
  canonical.push(JSON.stringify(type.schema()));
  return codecOf<T>(type);
}

function codecOf<T>(type: avro.Type): EntryCodec<T> {
  return {
    encodeInto(value, target, start) {
      try {
        return type.encode(value, target, start);
      } catch (cause) {
        throw new CodecError(`not a ${type.name}`, { cause });
      }
    },
    decode(bytes, start) {
      let result: { value: unknown; offset: number };
      try {
        result = type.decode(bytes, start);
      } catch (cause) {
        throw new CodecError(`malformed ${type.name}`, { cause });
      }
      if (result.offset < 0 || result.offset > bytes.length) throw new CodecError(`malformed ${type.name}: truncated`);
      return result as { readonly value: T; readonly offset: number };
    },
  };
}
