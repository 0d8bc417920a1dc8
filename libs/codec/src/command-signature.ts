import { createHmac, type KeyObject } from 'node:crypto';

/** First part of the signed bytes: a signature made for another purpose is not valid for a command. */
const PURPOSE = 'nvo3-command-1';
const LENGTH_BYTES = 4;

/** What an NVE signs: everything in the record that the NVA acts on. */
export interface SignedParts {
  readonly topic: string;
  /** Key of the record. */
  readonly key: string;
  /** Header `nve`. */
  readonly nveId: string;
  /** Header `correlation-id`. */
  readonly correlationId: string;
  /** Header `idempotency-key`. */
  readonly idempotencyKey: string;
  /** Timestamp of the record, milliseconds since 1970-01-01T00:00:00Z. */
  readonly timestamp: number;
  /** Value of the record. */
  readonly value: Uint8Array;
}

/**
 * HMAC-SHA256 over these parts, each preceded by its length in bytes (4 bytes, big-endian): `nvo3-command-1`, topic, key, nve,
 * correlation id, Idempotency-Key, timestamp in decimal (all UTF-8), value. The lengths ensure that two different messages never
 * give the same bytes. Header `signature` has the result in lower-case hex. A KeyObject takes a sixth of the time that bytes take
 * (3 against 16 µs, Node 24.21).
 */
export function commandSignature(
  secret: KeyObject | Uint8Array,
  { topic, key, nveId, correlationId, idempotencyKey, timestamp, value }: SignedParts,
): Buffer {
  const parts = [PURPOSE, topic, key, nveId, correlationId, idempotencyKey, String(timestamp), value].flatMap((part) => {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'utf8') : part;
    const length = Buffer.allocUnsafe(LENGTH_BYTES);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return createHmac('sha256', secret).update(Buffer.concat(parts)).digest();
}
