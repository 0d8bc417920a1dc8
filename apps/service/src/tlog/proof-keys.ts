import { join } from 'node:path';
import { existsSync } from 'node:fs';
import {
  generateKeyFile,
  KeyRefused,
  loadKeyFile,
  loadKnownKeys,
  saveKnownKeys,
  type KnownKeys,
  type Signer,
  type Verifier,
} from '@nva/transparency';

/** Public keys with which this process signs and has signed: see the library for the format. */
const KNOWN_KEYS_FILE = 'known-keys';
const KEY_FILE = 'key';

/** The private key of a tree, and the public keys that its checkpoints were ever signed with. */
export class ProofKeys {
  readonly signer: Signer;
  readonly cosigner: Signer;
  readonly #path: string;
  readonly #knownPath: string;
  #known: KnownKeys;

  private constructor(path: string, knownPath: string, signer: Signer) {
    this.signer = signer;
    this.cosigner = signer.asCosigner();
    this.#path = path;
    this.#knownPath = knownPath;
    this.#known = loadKnownKeys(knownPath);
  }

  /** Where `keyFile` is null, the key is in the tree's folder, and made if there is none: its name is then `name`. Throws KeyRefused. */
  static load(folder: string, keyFile: string | null, name: string): ProofKeys {
    const path = keyFile ?? join(folder, KEY_FILE);
    const isThere = existsSync(path);
    if (!isThere && keyFile !== null) throw new KeyRefused(`the key file ${path} is not there`);
    return new ProofKeys(path, join(folder, KNOWN_KEYS_FILE), isThere ? loadKeyFile(path) : generateKeyFile(path, name));
  }

  /** The name of the log: that of the key. */
  get origin(): string {
    return this.signer.name;
  }

  get known(): KnownKeys {
    return this.#known;
  }

  /**
   * Makes the key the current one. Another that was, is a former one from now on: good for checkpoints up to `size`, that of the last one
   * that was signed. Throws KeyRefused where the key is a former one itself.
   */
  adopt(size: number): void {
    const own = String(this.signer.verifier);
    const isOwn = (key: Verifier): boolean => String(key) === own;
    const { current, former } = this.#known;
    if (former.some(({ verifier }) => isOwn(verifier)))
      throw new KeyRefused(`the key in ${this.#path} was replaced by another before; a former key signs nothing more`);
    if (current.some(isOwn)) return;
    const replaced = current.map((verifier) => ({ verifier, untilSize: size }));
    const known = { current: [this.signer.verifier], former: [...former, ...replaced] };
    saveKnownKeys(this.#knownPath, known);
    this.#known = known;
  }
}
