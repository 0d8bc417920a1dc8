import { Malformed } from './errors.ts';
import { fromBase64 } from './note.ts';
import { HASH_BYTES, MAX_PROOF_HASHES } from './tree.ts';

/**
 * C2SP tlog-witness: what a log sends to a witness with a new checkpoint.
 *
 *     old <size of the last checkpoint that the witness has cosigned, decimal>
 *     <hashes of the consistency proof from there, base64, a line each>
 *     <an empty line>
 *     <the checkpoint, a signed note>
 */
export interface AddCheckpoint {
  readonly oldSize: number;
  readonly proof: readonly Buffer[];
  readonly note: string;
}

export function formatAddCheckpoint({ oldSize, proof, note }: AddCheckpoint): string {
  return `old ${oldSize}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${note}`;
}

/** Throws Malformed. */
export function parseAddCheckpoint(body: string): AddCheckpoint {
  const end = body.indexOf('\n\n');
  if (end < 0) throw new Malformed('no checkpoint follows: an empty line is before it');
  const [first, ...hashes] = body.slice(0, end).split('\n') as [string, ...string[]];
  const size = /^old (0|[1-9]\d{0,15})$/.exec(first)?.[1];
  if (size === undefined || !Number.isSafeInteger(Number(size))) throw new Malformed('the first line is «old <size>»');
  if (hashes.length > MAX_PROOF_HASHES) throw new Malformed(`the proof has ${hashes.length} hashes; ${MAX_PROOF_HASHES} are the most`);
  const proof = hashes.map((line) => {
    const hash = fromBase64(line);
    if (hash?.length !== HASH_BYTES) throw new Malformed(`a line of the proof is not ${HASH_BYTES} bytes in base64`);
    return hash;
  });
  return { oldSize: Number(size), proof, note: body.slice(end + 2) };
}
