/**
 * CRC-64-AVRO, the 64-bit Rabin fingerprint of a schema's Parsing Canonical Form
 * (Avro specification, «Schema Fingerprints» and «Single-object encoding»).
 */
const EMPTY = 0xc15d213aa4d7a795n;

const table: readonly bigint[] = Array.from({ length: 256 }, (_, i) => {
  let fp = BigInt(i);
  for (let bit = 0; bit < 8; bit++) fp = (fp >> 1n) ^ (EMPTY & -(fp & 1n));
  return fp;
});

/** The fingerprint as 16 lower-case hex digits, most significant first: the key on `nvo3.schemas` and in `/v1/schemas`. */
export type Fingerprint = string;

export function crc64Avro(bytes: Uint8Array): bigint {
  let fp = EMPTY;
  for (const byte of bytes) fp = (fp >> 8n) ^ table[Number((fp ^ BigInt(byte)) & 0xffn)]!;
  return fp;
}

export function fingerprintOf(canonicalForm: string): Fingerprint {
  return crc64Avro(Buffer.from(canonicalForm, 'utf8')).toString(16).padStart(16, '0');
}
