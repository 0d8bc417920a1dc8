import { join } from 'node:path';
import { parseAddCheckpoint } from './add-checkpoint.ts';
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { Malformed, SignatureRefused, SizeConflict, UnknownOrigin } from './errors.ts';
import { formatSignature, openNote, parseNote, type Signer, type Verifier } from './note.ts';
import { makeFolder, readIfThere, writeAtomicallySoon } from './private-file.ts';
import { EMPTY_ROOT, sameHash, verifyConsistency } from './tree.ts';

export interface WitnessOptions {
  /** What was cosigned last is kept there, a file for each key. */
  readonly folder: string;
  /** With what it cosigns: a key of algorithm 4. */
  readonly signer: Signer;
  /** The keys for which it cosigns. A key is of the log that has its name. */
  readonly logs: readonly Verifier[];
  readonly nowSeconds: () => number;
}

/** Compares a checkpoint with what else is known of its log: throws ProofRefused where it is of another. */
export type Compare = (checkpoint: Checkpoint) => void;

/**
 * A C2SP tlog-witness: cosigns the checkpoints of others, as long as each continues the last one that it cosigned for that key. What it
 * cosigned last is on the disk before the signature is given, so it says after a crash what it said before.
 */
export class Witness {
  readonly #options: WitnessOptions;
  /** One request after the other: each is held against what the one before has left. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: WitnessOptions) {
    this.#options = options;
    makeFolder(options.folder);
  }

  /**
   * What a request is about, after its signature was verified; nothing was cosigned. Throws Malformed, UnknownOrigin, SignatureRefused.
   */
  checkpointIn(body: string): Checkpoint {
    return this.#opened(body).checkpoint;
  }

  /**
   * Cosigns the checkpoint of a request, and gives the line of the signature. `compare` sees one that is well signed and continues the
   * last. Rejects with Malformed, UnknownOrigin, SignatureRefused, SizeConflict (which names the size of the last checkpoint),
   * ProofRefused, and with what `compare` throws.
   */
  cosign(body: string, compare?: Compare): Promise<string> {
    const next = this.#last.then(() => this.#cosign(body, compare));
    this.#last = next.catch(() => undefined);
    return next;
  }

  /** The last checkpoint that was cosigned for a key; null for none. */
  lastOf(key: Verifier): Checkpoint | null {
    const note = readIfThere(this.#pathOf(key));
    return note === null ? null : parseCheckpoint(parseNote(note).text);
  }

  async #cosign(body: string, compare: Compare | undefined): Promise<string> {
    const { signer, nowSeconds } = this.#options;
    const { oldSize, proof, checkpoint, key, note } = this.#opened(body);
    if (checkpoint.size < oldSize) throw new Malformed(`the checkpoint has ${checkpoint.size} leaves, fewer than the old size ${oldSize}`);
    const last = this.lastOf(key);
    const { size, root } = last ?? { size: 0, root: EMPTY_ROOT };
    if (size !== oldSize) throw new SizeConflict(size);
    if (size === checkpoint.size && !sameHash(root, checkpoint.root)) throw new SizeConflict(size);
    verifyConsistency({ size, root }, checkpoint, proof);
    compare?.(checkpoint);
    if (last === null || size < checkpoint.size) await writeAtomicallySoon(this.#pathOf(key), Buffer.from(note));
    const { name, keyId } = signer.verifier;
    return formatSignature({ name, keyId, signature: signer.sign(parseNote(note).text, nowSeconds()) });
  }

  #opened(body: string) {
    const { logs } = this.#options;
    const { oldSize, proof, note } = parseAddCheckpoint(body);
    const checkpoint = parseCheckpoint(parseNote(note).text);
    const { origin } = checkpoint;
    const known = logs.filter(({ name }) => name === origin);
    if (known.length === 0) throw new UnknownOrigin(`no key of a log ${JSON.stringify(origin)} is known`);
    const { verified } = openNote(note, known);
    const key = known.find(({ keyId }) => verified.some((one) => one.keyId === keyId && one.atSeconds === null));
    if (!key) throw new SignatureRefused(`the log ${origin} has not signed the checkpoint`);
    return { oldSize, proof, note, checkpoint, key };
  }

  #pathOf({ keyId }: Verifier): string {
    return join(this.#options.folder, keyId.toString(16).padStart(8, '0'));
  }
}

/** The signatures that a witness answered, verified over the note's text. Throws Malformed and SignatureRefused. */
export function readCosignatures(text: string, answer: string, key: Verifier) {
  const note = `${text}\n${answer}`;
  openNote(note, [key]);
  return parseNote(note).signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId);
}
