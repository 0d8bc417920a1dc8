import { entryCodec, type EntryCodec } from './entry-codec.ts';
import { fingerprintOf, type Fingerprint } from './fingerprint.ts';
import { recordSchemas } from './generated/schemas.ts';
import type { Mapping, VnContext, VnMember } from './generated/types.ts';

/** The values of a VN's table in plain Avro. The surrounding format says which kind each is. */
export interface TableCodecs {
  readonly context: EntryCodec<VnContext>;
  readonly member: EntryCodec<VnMember>;
  readonly mapping: EntryCodec<Mapping>;
  /** One fingerprint of all their schemas. Entries under another fingerprint are not read; they are computed again from the log. */
  readonly fingerprint: Fingerprint;
}

export function createTableCodecs(): TableCodecs {
  const canonical: string[] = [];
  const codecs = {
    context: entryCodec<VnContext>(recordSchemas.VnContext, canonical),
    member: entryCodec<VnMember>(recordSchemas.VnMember, canonical),
    mapping: entryCodec<Mapping>(recordSchemas.Mapping, canonical),
  };
  return { ...codecs, fingerprint: fingerprintOf(canonical.join('\n')) };
}
