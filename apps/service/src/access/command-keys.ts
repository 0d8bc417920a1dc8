import { createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { commandSignature, type SignedParts } from '@nva/codec';
import { isObject } from '@nva/commands';
import { nveIdOnKafka, parseNveId, parseTenantId, Refusal } from '@nva/identifiers';
import { actorOf, type Caller } from '@nva/registrar';
import { ConfigError } from '../config/config.ts';
import type { Tokens } from './tokens.ts';

const MIN_KEY_BYTES = 32;
/** Keys of one NVE: the one in use, and those that are being replaced. */
const MAX_KEYS_PER_NVE = 8;
const OTHERS = 0o077;
const SIGNATURE = /^[0-9a-f]{64}$/;

interface Signer {
  readonly caller: Caller;
  readonly keys: readonly KeyObject[];
}

/**
 * The keys with which NVEs sign commands on Kafka, from a file that other users cannot read:
 *
 *     { "nves": [{ "nveId": "leaf-1", "keys": ["<base64 of at least 32 bytes>", …], "tenants": ["red"] }] }
 *
 * Every key of an NVE is valid. To replace a key, an operator adds the new one in front, and removes the old one when the NVE
 * uses the new one. The tenants that an NVE serves come from TOKENS_FILE if the NVE is listed there, otherwise from here; absent
 * or null means any tenant.
 */
export class CommandKeys {
  readonly #signers: ReadonlyMap<string, Signer>;

  private constructor(signers: ReadonlyMap<string, Signer>) {
    this.#signers = signers;
  }

  /** Throws ConfigError. */
  static read(file: string, tokens: Tokens): CommandKeys {
    const signers = new Map<string, Signer>();
    const names = new Map<string, string>();
    for (const entry of entriesOf(file)) {
      const { nveId, keys, tenants } = readSigner(entry);
      if (signers.has(nveId)) throw wrong(`NVE ${nveId} stands there twice; its keys are one list`);
      const like = names.get(nveIdOnKafka(nveId));
      if (like !== undefined)
        throw wrong(`NVEs ${like} and ${nveId} differ in . and _ only, which Kafka takes for the same in the names of topics`);
      names.set(nveIdOnKafka(nveId), nveId);
      const inTokens = tokens.tenantsOf(nveId);
      if (inTokens !== undefined && tenants !== undefined) throw wrong(`the tenants of NVE ${nveId} stand in TOKENS_FILE already`);
      signers.set(nveId, { keys, caller: { kind: 'nve', nveId, tenants: inTokens ?? tenants ?? null } });
    }
    return new CommandKeys(signers);
  }

  get nveIds(): readonly string[] {
    return [...this.#signers.keys()];
  }

  /** The NVE with its present rights; null if it may send no commands. */
  standing(nveId: string): Caller | null {
    return this.#signers.get(nveId)?.caller ?? null;
  }

  /** Names of NVEs with what their keys allow. Only for comparisons; it contains the keys and must not be shown. */
  rights(): readonly (readonly [name: string, rights: string])[] {
    return [...this.#signers.values()].map(
      ({ caller, keys }) =>
        [actorOf(caller), `${keys.map((key) => key.export().toString('hex')).join(' ')} ${JSON.stringify(caller)}`] as const,
    );
  }

  /** The caller that signed the command; null if the NVE is unknown or the signature is not from one of its keys. */
  callerOf(parts: SignedParts, signature: string): Caller | null {
    const signer = this.#signers.get(parts.nveId);
    if (!signer || !SIGNATURE.test(signature)) return null;
    const given = Buffer.from(signature, 'hex');
    return signer.keys.some((key) => timingSafeEqual(given, commandSignature(key, parts))) ? signer.caller : null;
  }
}

const wrong = (message: string, cause?: unknown): ConfigError => new ConfigError(`COMMAND_KEYS_FILE: ${message}`, { cause });

function entriesOf(file: string): readonly unknown[] {
  let content: unknown;
  try {
    const { mode } = statSync(file);
    if ((mode & OTHERS) !== 0)
      throw wrong(`${file} can be read or written by others (mode ${(mode & 0o777).toString(8)}); only its owner may: chmod 600`);
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw cause instanceof ConfigError ? cause : wrong(`${file} cannot be read as JSON: ${(cause as Error).message}`, cause);
  }
  known(content, 'the file', ['nves']);
  const { nves } = content;
  if (!Array.isArray(nves) || nves.length === 0) throw wrong('nves is a list with at least one NVE');
  return nves;
}

function readSigner(entry: unknown): { nveId: string; keys: readonly KeyObject[]; tenants: readonly string[] | null | undefined } {
  known(entry, 'an NVE', ['nveId', 'keys', 'tenants']);
  const { keys, tenants } = entry;
  try {
    const nveId = parseNveId(entry['nveId']);
    if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS_PER_NVE)
      throw wrong(`keys of NVE ${nveId} is a list of 1 to ${MAX_KEYS_PER_NVE}`);
    if (tenants !== undefined && tenants !== null && !Array.isArray(tenants)) throw wrong('tenants is a list, or null for any');
    return {
      nveId,
      keys: keys.map((key: unknown) => keyOf(key, nveId)),
      tenants: tenants?.map((tenant: unknown) => parseTenantId(tenant, 'tenants')),
    };
  } catch (error) {
    throw error instanceof Refusal ? wrong(error.message, error) : error;
  }
}

/** Does not show the received text in an error, because it may be most of a key. */
function keyOf(text: unknown, nveId: string): KeyObject {
  const key = typeof text === 'string' ? Buffer.from(text, 'base64') : null;
  if (!key || key.toString('base64') !== text || key.length < MIN_KEY_BYTES)
    throw wrong(`a key of NVE ${nveId} is not the base64 of at least ${MIN_KEY_BYTES} bytes`);
  return createSecretKey(key);
}

function known(content: unknown, what: string, fields: readonly string[]): asserts content is Readonly<Record<string, unknown>> {
  if (!isObject(content)) throw wrong(`${what} is an object with ${fields.join(', ')}`);
  for (const name in content) if (!fields.includes(name)) throw wrong(`${what} has ${fields.join(', ')}, got «${name}»`);
}
