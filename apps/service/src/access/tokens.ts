import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isObject } from '@nva/commands';
import { nveIdOnKafka, parseNveId, parseTenantId, Refusal } from '@nva/identifiers';
import { actorOf, type Caller } from '@nva/registrar';
import { ConfigError } from '../config/config.ts';

/** The caller of every request while no tokens are configured; the server then listens on loopback only. */
const LOCAL: Caller = { kind: 'operator', name: 'local' };
const LOCAL_HOST = /^(?:127\.0\.0\.1|\[::1\]|localhost)(?::\d{1,5})?$/i;

const TOKEN_DIGEST = /^[0-9a-f]{64}$/;
const OPERATOR_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * Bearer tokens from a file that holds only their SHA-256:
 *
 *     { "operators": [{ "name": "alice", "sha256": "…" }], "nves": [{ "nveId": "leaf-1", "tenants": ["red"], "sha256": "…" }] }
 *
 * `tenants` may be absent or null: the NVE serves any tenant. Unknown fields are refused, so that a misspelt `tenants` does not
 * mean any tenant. A token is looked up by its digest, so the time of the lookup tells nothing about a token.
 */
export class Tokens {
  readonly #callers: ReadonlyMap<string, Caller> | null;

  private constructor(callers: ReadonlyMap<string, Caller> | null) {
    this.#callers = callers;
  }

  static none(): Tokens {
    return new Tokens(null);
  }

  /** Throws ConfigError. */
  static read(file: string): Tokens {
    let content: unknown;
    try {
      content = JSON.parse(readFileSync(file, 'utf8'));
    } catch (cause) {
      throw new ConfigError(`TOKENS_FILE: ${file} cannot be read as JSON: ${(cause as Error).message}`, { cause });
    }
    known(content, 'the file', ['operators', 'nves']);
    const callers = new Map<string, Caller>();
    const add = (entry: Content, caller: Caller): void => {
      const { sha256 } = entry;
      if (typeof sha256 !== 'string' || !TOKEN_DIGEST.test(sha256))
        throw new ConfigError('TOKENS_FILE: sha256 is 64 lower-case hex digits, the digest of a token and not the token');
      if (callers.has(sha256)) throw new ConfigError('TOKENS_FILE: two entries have one token');
      callers.set(sha256, caller);
    };
    for (const entry of entries(content, 'operators')) {
      known(entry, 'an operator', ['name', 'sha256']);
      if (typeof entry['name'] !== 'string' || !OPERATOR_NAME.test(entry['name']))
        throw new ConfigError(`TOKENS_FILE: an operator's name is 1 to 64 letters, digits and . _ -, got «${String(entry['name'])}»`);
      add(entry, { kind: 'operator', name: entry['name'] });
    }
    const names = new Map<string, string>();
    for (const entry of entries(content, 'nves')) {
      const caller = nveCaller(entry);
      const like = names.get(nveIdOnKafka(caller.nveId)) ?? caller.nveId;
      if (like !== caller.nveId)
        throw new ConfigError(
          `TOKENS_FILE: NVEs ${like} and ${caller.nveId} differ in . and _ only, which Kafka takes for the same in the names of topics`,
        );
      names.set(nveIdOnKafka(caller.nveId), caller.nveId);
      add(entry, caller);
    }
    if (callers.size === 0) throw new ConfigError('TOKENS_FILE: there is no token in it, so nobody could call');
    return new Tokens(callers);
  }

  get configured(): boolean {
    return this.#callers !== null;
  }

  /**
   * The owners of tokens with what each token allows, in an order that does not depend on the file. Only for comparisons; it
   * contains digests and must not be shown.
   */
  rights(): readonly (readonly [name: string, rights: string])[] {
    return [...(this.#callers ?? [])]
      .map(([sha256, caller]) => [actorOf(caller), `${sha256} ${JSON.stringify(caller)}`] as const)
      .toSorted(([, a], [, b]) => (a < b ? -1 : 1));
  }

  /** The tenants that an NVE may serve, null for any; undefined if it has no token. Throws ConfigError if its tokens disagree. */
  tenantsOf(nveId: string): readonly string[] | null | undefined {
    let found: readonly string[] | null | undefined;
    for (const caller of this.#callers?.values() ?? []) {
      if (caller.kind !== 'nve' || caller.nveId !== nveId) continue;
      if (found !== undefined && String(found?.toSorted()) !== String(caller.tenants?.toSorted()))
        throw new ConfigError(`TOKENS_FILE: the tokens of NVE ${nveId} have different tenants`);
      found = caller.tenants;
    }
    return found;
  }

  /**
   * Throws Refusal `unauthenticated`. Without tokens, throws `forbidden` unless the Host header names this machine: otherwise a
   * foreign web page could have its own name resolved to loopback and write here (DNS rebinding).
   */
  callerOf(authorization: string | undefined, host: string | undefined): Caller {
    if (!this.#callers) {
      if (!LOCAL_HOST.test(host ?? ''))
        throw new Refusal('forbidden', 'without configured tokens only requests to 127.0.0.1, [::1] or localhost are taken', {
          field: 'Host',
          received: host,
        });
      return LOCAL;
    }
    const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1];
    const caller = token === undefined ? undefined : this.#callers.get(createHash('sha256').update(token).digest('hex'));
    if (!caller) throw new Refusal('unauthenticated', 'a bearer token of an operator or an NVE is needed', { field: 'Authorization' });
    return caller;
  }
}

type Content = Readonly<Record<string, unknown>>;

/** Refuses unknown fields, because nothing would read them. */
function known(content: unknown, what: string, fields: readonly string[]): asserts content is Content {
  if (!isObject(content)) throw new ConfigError('TOKENS_FILE: expected an object with operators and nves');
  for (const name in content)
    if (!fields.includes(name)) throw new ConfigError(`TOKENS_FILE: ${what} has ${fields.join(', ')}, got «${name}»`);
}

function entries(content: Content, name: string): readonly Content[] {
  const list = content[name] ?? [];
  if (!Array.isArray(list) || !list.every(isObject)) throw new ConfigError(`TOKENS_FILE: ${name} is a list of objects`);
  return list;
}

function nveCaller(entry: Content): Extract<Caller, { kind: 'nve' }> {
  try {
    known(entry, 'an NVE', ['nveId', 'tenants', 'sha256']);
    const { tenants = null } = entry;
    if (tenants !== null && !Array.isArray(tenants)) throw new ConfigError('TOKENS_FILE: tenants is a list, or null for any');
    return {
      kind: 'nve',
      nveId: parseNveId(entry['nveId']),
      tenants: tenants?.map((tenant: unknown) => parseTenantId(tenant, 'tenants')) ?? null,
    };
  } catch (error) {
    throw error instanceof Refusal ? new ConfigError(`TOKENS_FILE: ${error.message}`) : error;
  }
}
