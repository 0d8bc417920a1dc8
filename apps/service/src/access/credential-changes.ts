import type { CommandKeys } from './command-keys.ts';
import type { Tokens } from './tokens.ts';

/** The content of all files together: the rights of NVEs are in two of them. */
export interface Loaded {
  readonly tokens: Tokens;
  /** null if no commands are taken from Kafka. */
  readonly keys: CommandKeys | null;
  /** The authorization that a distributor shows to registrars. */
  readonly peerAuthorization: string | undefined;
}

/**
 * How many names were added, were removed, or have other rights or other credentials than before. It is unknown who changed the
 * file.
 */
export interface CredentialChanges {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
}

/** Counts names only, so that no token, digest or key is revealed. */
export function changesOf(before: Loaded, after: Loaded): CredentialChanges {
  const [old, now] = [namesOf(before), namesOf(after)];
  return {
    added: [...now.keys()].filter((name) => !old.has(name)).length,
    removed: [...old.keys()].filter((name) => !now.has(name)).length,
    changed: [...now].filter(([name, rights]) => old.has(name) && old.get(name) !== rights).length,
  };
}

/** Each name with its rights and credentials, as text to compare. */
function namesOf({ tokens, keys, peerAuthorization }: Loaded): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, rights] of [...tokens.rights(), ...(keys?.rights() ?? [])]) names.set(name, `${names.get(name) ?? ''}\n${rights}`);
  if (peerAuthorization !== undefined) names.set('peer', peerAuthorization);
  return names;
}
