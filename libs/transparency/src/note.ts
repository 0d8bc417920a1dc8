import { createPrivateKey, createPublicKey, hash, randomBytes, sign, verify, type KeyObject } from 'node:crypto';
import { KeyRefused, Malformed, SignatureRefused } from './errors.ts';

/**
 * C2SP signed notes, as `golang.org/x/mod/sumdb/note` reads and writes them:
 *
 *     <text, one line or more, each ended by a newline>
 *     <an empty line>
 *     — <name> <base64 of: key id u32 big-endian | signature>
 *
 * A key's id is the first four bytes of SHA-256(name | "\n" | algorithm | public key). Its text forms are `name+id+base64` of the
 * verifier, where the base64 is of algorithm | public key, and `PRIVATE+KEY+name+id+base64` of the signer, of algorithm | seed.
 *
 * Algorithm 1 is Ed25519 over the text. Algorithm 4 is C2SP tlog-cosignature: the signature is a time in seconds (u64 big-endian) and
 * Ed25519 over `cosignature/v1\ntime <seconds>\n<text>`. A cosigner says: I saw this tree, and it continues those that I saw before.
 */
export const ED25519 = 1;
export const COSIGNATURE = 4;
export type Algorithm = typeof ED25519 | typeof COSIGNATURE;

export const MAX_NOTE_BYTES = 65_536;
export const MAX_SIGNATURES = 100;
const KEY_BYTES = 32;
const ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;
const SIGNATURE_PREFIX = '— ';
/** DER around the 32 bytes of an Ed25519 key (RFC 8410). */
const bytesOf = (hexDigits: string): Buffer => Buffer.from(hexDigits, 'hex');
const PKCS8 = bytesOf('302e020100300506032b657004220420');
const SPKI = bytesOf('302a300506032b6570032100');

/** A signature that one of the known keys made. */
export interface Verified {
  readonly name: string;
  readonly keyId: number;
  /** When a cosigner signed, in seconds since the epoch; null for other signatures. */
  readonly atSeconds: number | null;
}

export interface Verifier {
  readonly name: string;
  readonly keyId: number;
  readonly algorithm: Algorithm;
  readonly publicKey: Buffer;
  /** Null where the signature is not this key's over the text. */
  verify(text: string, signature: Buffer): Verified | null;
  /** The verifier of the same key as a cosigner. */
  asCosigner(): Verifier;
  /** `name+id+base64`. */
  toString(): string;
}

export interface Signer {
  readonly name: string;
  readonly verifier: Verifier;
  /** `nowSeconds` is the time that a cosignature names. */
  sign(text: string, nowSeconds: number): Buffer;
  /** The same key as a cosigner, which has another id. */
  asCosigner(): Signer;
  /** The private key in its text form. It goes into a key file and nowhere else. */
  secret(): string;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: number;
  /** Without the key's id. */
  readonly signature: Buffer;
}

export interface Note {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface OpenedNote {
  readonly text: string;
  readonly verified: readonly Verified[];
  /** Of keys that are not known. */
  readonly unverified: readonly NoteSignature[];
}

/** Not empty, without spaces and pluses, which would end it in a key's text form. */
const isName = (name: string): boolean => name !== '' && name.isWellFormed() && !/[\s\u0085+]/.test(name) && !hasControls(name);
const hasControls = (text: string): boolean => [...text].some((char) => char < ' ' && char !== '\n');

/** Strict: the only base64 of its bytes. */
export function fromBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

function keyIdOf(name: string, key: Uint8Array): number {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), key]), 'buffer').readUInt32BE(0);
}

const hex = (keyId: number): string => keyId.toString(16).padStart(8, '0');

class Ed25519Verifier implements Verifier {
  readonly name: string;
  readonly keyId: number;
  readonly algorithm: Algorithm;
  readonly publicKey: Buffer;
  readonly #key: KeyObject;

  constructor(name: string, algorithm: Algorithm, publicKey: Buffer) {
    this.name = name;
    this.algorithm = algorithm;
    this.publicKey = publicKey;
    this.keyId = keyIdOf(name, Buffer.from([algorithm, ...publicKey]));
    this.#key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' });
  }

  verify(text: string, signature: Buffer): Verified | null {
    const { name, keyId } = this;
    if (this.algorithm === ED25519) {
      const isGood = signature.length === SIGNATURE_BYTES && verify(null, Buffer.from(text), this.#key, signature);
      return isGood ? { name, keyId, atSeconds: null } : null;
    }
    if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return null;
    const seconds = signature.readBigUInt64BE(0);
    if (seconds > BigInt(Number.MAX_SAFE_INTEGER)) return null;
    const isGood = verify(null, cosigned(text, Number(seconds)), this.#key, signature.subarray(TIME_BYTES));
    return isGood ? { name, keyId, atSeconds: Number(seconds) } : null;
  }

  asCosigner(): Verifier {
    return new Ed25519Verifier(this.name, COSIGNATURE, this.publicKey);
  }

  toString(): string {
    return `${this.name}+${hex(this.keyId)}+${Buffer.from([this.algorithm, ...this.publicKey]).toString('base64')}`;
  }
}

class Ed25519Signer implements Signer {
  readonly name: string;
  readonly verifier: Verifier;
  readonly #seed: Buffer;
  readonly #key: KeyObject;

  constructor(name: string, algorithm: Algorithm, seed: Buffer) {
    this.name = name;
    this.#seed = seed;
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(this.#key).export({ format: 'der', type: 'spki' });
    this.verifier = new Ed25519Verifier(name, algorithm, spki.subarray(SPKI.length));
  }

  sign(text: string, nowSeconds: number): Buffer {
    if (this.verifier.algorithm === ED25519) return sign(null, Buffer.from(text), this.#key);
    if (!Number.isSafeInteger(nowSeconds) || nowSeconds < 0)
      throw new Malformed(`a cosignature's time is whole seconds since the epoch, not ${nowSeconds}`);
    const time = Buffer.alloc(TIME_BYTES);
    time.writeBigUInt64BE(BigInt(nowSeconds));
    return Buffer.concat([time, sign(null, cosigned(text, nowSeconds), this.#key)]);
  }

  asCosigner(): Signer {
    return new Ed25519Signer(this.name, COSIGNATURE, this.#seed);
  }

  secret(): string {
    const key = Buffer.from([this.verifier.algorithm, ...this.#seed]).toString('base64');
    return `PRIVATE+KEY+${this.name}+${hex(this.verifier.keyId)}+${key}`;
  }
}

const cosigned = (text: string, seconds: number): Buffer => Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);

function parseKey(text: string, what: string): { name: string; keyId: number; algorithm: Algorithm; key: Buffer } {
  const [, name, id, base64] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/s.exec(text) ?? [];
  const key = base64 === undefined ? null : fromBase64(base64);
  if (name === undefined || id === undefined || !key || !isName(name)) throw new KeyRefused(`the ${what} is not name+id+base64`);
  const algorithm = key[0];
  if (algorithm !== ED25519 && algorithm !== COSIGNATURE)
    throw new KeyRefused(`the ${what} of ${name} is of algorithm ${algorithm}; known are ${ED25519} and ${COSIGNATURE}`);
  if (key.length !== 1 + KEY_BYTES) throw new KeyRefused(`the ${what} of ${name} has ${key.length - 1} bytes instead of ${KEY_BYTES}`);
  return { name, keyId: Number.parseInt(id, 16), algorithm, key: key.subarray(1) };
}

/** Throws KeyRefused. */
export function parseVerifier(text: string): Verifier {
  const { name, keyId, algorithm, key } = parseKey(text, 'verifier key');
  const verifier = new Ed25519Verifier(name, algorithm, key);
  if (verifier.keyId !== keyId)
    throw new KeyRefused(`the verifier key of ${name} has the id ${hex(verifier.keyId)}, and says ${hex(keyId)}`);
  return verifier;
}

/** Throws KeyRefused, without a word of the key itself. */
export function parseSigner(text: string): Signer {
  const prefix = 'PRIVATE+KEY+';
  if (!text.startsWith(prefix)) throw new KeyRefused(`a signer key begins with ${prefix}`);
  const { name, keyId, algorithm, key } = parseKey(text.slice(prefix.length), 'signer key');
  const signer = new Ed25519Signer(name, algorithm, key);
  if (signer.verifier.keyId !== keyId) throw new KeyRefused(`the signer key of ${name} is not of the id that it says`);
  return signer;
}

export function generateSigner(name: string, algorithm: Algorithm = ED25519): Signer {
  if (!isName(name)) throw new KeyRefused('the name of a key is not empty and has no spaces, pluses or control characters');
  return new Ed25519Signer(name, algorithm, randomBytes(KEY_BYTES));
}

/** Reads a note without checking its signatures. Throws Malformed. */
export function parseNote(message: Uint8Array | string): Note {
  const bytes = Buffer.from(message as Uint8Array);
  if (bytes.length > MAX_NOTE_BYTES) throw new Malformed(`the note has ${bytes.length} bytes; ${MAX_NOTE_BYTES} are the most`);
  const whole = bytes.toString('utf8');
  if (!Buffer.from(whole).equals(bytes)) throw new Malformed('the note is not UTF-8');
  if (hasControls(whole)) throw new Malformed('the note has a control character');
  const end = whole.lastIndexOf('\n\n');
  if (end < 0 || !whole.endsWith('\n') || end + 2 === whole.length) throw new Malformed('no signatures follow the text of the note');
  const lines = whole.slice(end + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new Malformed(`the note has ${lines.length} signatures; ${MAX_SIGNATURES} are the most`);
  return { text: whole.slice(0, end + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): NoteSignature {
  const [name, base64, ...more] = line.startsWith(SIGNATURE_PREFIX) ? line.slice(SIGNATURE_PREFIX.length).split(' ') : [];
  const bytes = base64 === undefined ? null : fromBase64(base64);
  if (name === undefined || !isName(name) || !bytes || bytes.length <= ID_BYTES || more.length > 0)
    throw new Malformed('a signature of the note is not «— name base64»');
  return { name, keyId: bytes.readUInt32BE(0), signature: bytes.subarray(ID_BYTES) };
}

/**
 * Reads a note and checks the signatures of the keys that are known; others are handed back unchecked. Throws Malformed, and
 * SignatureRefused where a known key's signature is wrong or none is there. A key that signed twice counts once, by its first.
 */
export function openNote(message: Uint8Array | string, known: Iterable<Verifier>): OpenedNote {
  const { text, signatures } = parseNote(message);
  const verifiers = new Map<string, Verifier>();
  for (const verifier of known) {
    const key = keyOf(verifier);
    const other = verifiers.get(key);
    if (other && other.toString() !== verifier.toString()) throw new KeyRefused(`two keys have the name and id ${key}`);
    verifiers.set(key, verifier);
  }
  const verified = new Map<string, Verified>();
  const unverified: NoteSignature[] = [];
  for (const signature of signatures) {
    const key = keyOf(signature);
    const verifier = verifiers.get(key);
    if (!verifier) unverified.push(signature);
    if (!verifier || verified.has(key)) continue;
    const good = verifier.verify(text, signature.signature);
    if (!good) throw new SignatureRefused(`the signature of ${key} is not of this text`);
    verified.set(key, good);
  }
  if (verified.size === 0)
    throw new SignatureRefused(`no known key signed: the note has signatures of ${signatures.map(keyOf).join(', ')}`);
  return { text, verified: [...verified.values()], unverified };
}

const keyOf = ({ name, keyId }: { name: string; keyId: number }): string => `${name}+${hex(keyId)}`;

/** Signs a text, or adds signatures to a note; one of the same key is replaced. Throws Malformed where the text cannot be a note's. */
export function signNote(note: string | Note, signers: readonly Signer[], nowSeconds: number): string {
  const { text, signatures } = typeof note === 'string' ? { text: note, signatures: [] } : note;
  if (!text.endsWith('\n') || !text.isWellFormed() || hasControls(text))
    throw new Malformed('the text of a note ends with a newline and has no other control characters');
  const made = signers.map((signer): NoteSignature => {
    const { name, keyId } = signer.verifier;
    return { name, keyId, signature: signer.sign(text, nowSeconds) };
  });
  return withSignatures({ text, signatures }, made);
}

/** Puts signatures below a note; one of the same key is replaced. Throws Malformed where there are too many. */
export function withSignatures({ text, signatures }: Note, more: readonly NoteSignature[]): string {
  const isReplaced = new Set(more.map(keyOf));
  const all = [...signatures.filter((one) => !isReplaced.has(keyOf(one))), ...more];
  if (all.length === 0 || all.length > MAX_SIGNATURES)
    throw new Malformed(`a note has 1 to ${MAX_SIGNATURES} signatures, not ${all.length}`);
  const whole = `${text}\n${all.map(formatSignature).join('')}`;
  if (Buffer.byteLength(whole) > MAX_NOTE_BYTES) throw new Malformed(`a note has ${MAX_NOTE_BYTES} bytes at most`);
  return whole;
}

/** The line of a note that a signature is. */
export function formatSignature({ name, keyId, signature }: NoteSignature): string {
  const id = Buffer.alloc(ID_BYTES);
  id.writeUInt32BE(keyId);
  return `${SIGNATURE_PREFIX}${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
}
