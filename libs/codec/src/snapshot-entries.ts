import avro from 'avsc';
import { CodecError } from './codec-error.ts';
import { fingerprintOf, type Fingerprint } from './fingerprint.ts';
import { snapshotSchemas } from './generated/schemas.ts';
import type {
  SnapshotDigest,
  SnapshotHeader,
  SnapshotKey,
  SnapshotNve,
  SnapshotOracle,
  SnapshotTenantSystem,
  SnapshotTrailer,
  SnapshotVn,
} from './generated/types.ts';

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

export interface SnapshotCodecs {
  readonly header: EntryCodec<SnapshotHeader>;
  readonly oracle: EntryCodec<SnapshotOracle>;
  readonly nve: EntryCodec<SnapshotNve>;
  readonly vn: EntryCodec<SnapshotVn>;
  readonly name: EntryCodec<string>;
  readonly tenantSystem: EntryCodec<SnapshotTenantSystem>;
  readonly digest: EntryCodec<SnapshotDigest>;
  readonly key: EntryCodec<SnapshotKey>;
  readonly trailer: EntryCodec<SnapshotTrailer>;
  /** One fingerprint of all their schemas. Entries under another fingerprint are not read; they are computed again from the log. */
  readonly fingerprint: Fingerprint;
}

export function createSnapshotCodecs(): SnapshotCodecs {
  const canonical: string[] = [];
  const entry = <T>(schema: object | 'string'): EntryCodec<T> => {
    const type = avro.Type.forSchema(schema as avro.Schema, { omitRecordMethods: true, wrapUnions: false } as avro.ForSchemaOptions);
    canonical.push(JSON.stringify(type.schema()));
    return codecOf<T>(type);
  };
  const codecs = {
    header: entry<SnapshotHeader>(snapshotSchemas.SnapshotHeader),
    oracle: entry<SnapshotOracle>(snapshotSchemas.SnapshotOracle),
    nve: entry<SnapshotNve>(snapshotSchemas.SnapshotNve),
    vn: entry<SnapshotVn>(snapshotSchemas.SnapshotVn),
    name: entry<string>('string'),
    tenantSystem: entry<SnapshotTenantSystem>(snapshotSchemas.SnapshotTenantSystem),
    digest: entry<SnapshotDigest>(snapshotSchemas.SnapshotDigest),
    key: entry<SnapshotKey>(snapshotSchemas.SnapshotKey),
    trailer: entry<SnapshotTrailer>(snapshotSchemas.SnapshotTrailer),
  };
  return { ...codecs, fingerprint: fingerprintOf(canonical.join('\n')) };
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
