import type { CommandKeys } from './command-keys.ts';
import type { Tokens } from './tokens.ts';

/** What the files say, all of them together: what NVEs may do stands in two. */
export interface Loaded {
  readonly tokens: Tokens;
  /** null where no commands are taken from Kafka. */
  readonly keys: CommandKeys | null;
  /** How a distributor shows registrars who it is. */
  readonly peerAuthorization: string | undefined;
}

/** How many names came, went, and may do something else or by other means than before. Who changed the file nobody knows. */
export interface CredentialChanges {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
}

/** Counts names only: neither tokens nor digests nor keys leave here. */
export function changesOf(before: Loaded, after: Loaded): CredentialChanges {
  const [old, now] = [namesOf(before), namesOf(after)];
  return {
    added: [...now.keys()].filter((name) => !old.has(name)).length,
    removed: [...old.keys()].filter((name) => !now.has(name)).length,
    changed: [...now].filter(([name, rights]) => old.has(name) && old.get(name) !== rights).length,
  };
}

/** Each name with what it may do and by which means, as text to compare. */
function namesOf({ tokens, keys, peerAuthorization }: Loaded): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, rights] of [...tokens.rights(), ...(keys?.rights() ?? [])]) names.set(name, `${names.get(name) ?? ''}\n${rights}`);
  if (peerAuthorization !== undefined) names.set('peer', peerAuthorization);
  return names;
}
