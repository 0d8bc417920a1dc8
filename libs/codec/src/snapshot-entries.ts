import { entryCodec, type EntryCodec } from './entry-codec.ts';
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
  const entry = <T>(schema: object | 'string'): EntryCodec<T> => entryCodec<T>(schema, canonical);
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
