import type { AppliedBody } from '../core/applied-reports.ts';

/** A member of a VN, and what it reports to have applied of it; null if it has reported nothing. */
export interface Reporting {
  readonly nveId: string;
  readonly applied: AppliedBody | null;
}

/** What the proof needs of an answer to `explain`. */
interface Explained {
  readonly reason: string;
  readonly entries: readonly { readonly position: string }[];
  readonly chain: readonly { readonly position: string; readonly recordedAt: string; readonly contributed: readonly string[] }[];
  readonly sentences: readonly string[];
}

/** Reasons that are so at the NVEs only once they have applied the last change of the entry. */
const TOLD: ReadonlySet<string> = new Set(['distributed', 'local', 'removed']);

/** Names in a sentence; the lists in the answer are whole. */
const NAMED = 5;

/**
 * An answer to `explain` with the members of the VN that have proven to hold what it says: their last digest is that of the VN's table
 * at the position of the entry or later. The others have not, since the entry is as it is.
 */
export function withProof(answer: string, members: readonly Reporting[]): string {
  const explained = JSON.parse(answer) as Explained;
  const position = Math.max(
    0,
    ...explained.entries.map((entry) => Number(entry.position)),
    ...explained.chain.filter(({ contributed }) => contributed.includes('removal')).map((one) => Number(one.position)),
  );
  if (!TOLD.has(explained.reason) || position === 0) return JSON.stringify({ ...explained, proof: null });
  const since = explained.chain.find((one) => Number(one.position) === position)?.recordedAt ?? null;
  const proven: object[] = [];
  const unproven: { readonly nveId: string; readonly since: string | null; readonly why: string; readonly applied: AppliedBody | null }[] =
    [];
  for (const { nveId, applied } of members) {
    const has = applied && (applied.verdict === 'same' || (applied.verdict === 'behind' && Number(applied.position) >= position));
    if (has) proven.push({ nveId, position: applied.position, digest: applied.digest });
    else unproven.push({ nveId, since, why: why(applied), applied });
  }
  return JSON.stringify({
    ...explained,
    proof: { proven, unproven },
    sentences: [...explained.sentences, ...sentences(members.length, unproven)],
  });
}

function why(applied: AppliedBody | null): string {
  if (!applied) return 'it has reported nothing of this VN';
  switch (applied.verdict) {
    case 'differs':
      return 'it holds another table';
    case 'ahead':
      return 'it reports a position that the log does not have';
    case 'unknown':
      return 'its report cannot be compared';
    default:
      return `it has applied the VN up to position ${applied.position} only`;
  }
}

function sentences(members: number, unproven: readonly { readonly nveId: string; readonly why: string }[]): readonly string[] {
  if (members === 0) return [];
  const rest = unproven.length - NAMED;
  return [
    `${members - unproven.length} of ${members} NVEs of the VN have proven that they hold this.`,
    ...unproven.slice(0, NAMED).map((one) => `${one.nveId} has not: ${one.why}.`),
    ...(rest > 0 ? [`${rest} more have not.`] : []),
  ];
}
