import type { Applied } from '@nva/commands';
import type { FeedDigests, Verdict as FoldVerdict } from '@nva/fold';
import type { Position } from '@nva/ports';

/** NVEs whose reports are kept; beyond it the oldest reporter goes. */
const MAX_REPORTERS = 10_000;

const NONE: ReadonlyMap<number, Report> = new Map();

/** `ahead`: of a position that this log does not have. */
export type Verdict = FoldVerdict | 'ahead';

export interface Report extends Applied {
  /** By the digests held for the reported position and later ones (`FeedDigests.judge`), when the report came. */
  readonly verdict: Verdict;
}

/**
 * What NVEs say they have applied, VN by VN: soft state, from their heartbeats. Each report is compared with the digests from its own position on,
 * so an NVE that is merely behind, or further than it can tell, is never called different; where not all of them are held the verdict is unknown.
 */
export class AppliedReports {
  readonly #log: string;
  readonly #digests: FeedDigests;
  readonly #foldPosition: () => Position;
  readonly #isIn: (nveId: string, vnid: number) => boolean;
  readonly #reports = new Map<string, ReadonlyMap<number, Report>>();
  #mismatches = 0;
  /** Told of every VN of which an NVE holds another table than the fold. */
  onDiffers: (vnid: number) => void = () => undefined;

  /** `isIn` says whether an NVE is in a VN. */
  constructor(log: string, digests: FeedDigests, foldPosition: () => Position, isIn: (nveId: string, vnid: number) => boolean) {
    this.#isIn = isIn;
    this.#log = log;
    this.#digests = digests;
    this.#foldPosition = foldPosition;
  }

  /** Reports that differed, ever. */
  get mismatches(): number {
    return this.#mismatches;
  }

  /**
   * Of VNs that the NVE is in. One that it has left is kept, without a verdict, as long as every report goes on naming it: its right to read that VN
   * waits for that. Any other VN is dropped, whether it exists or not. `ahead`: the VNs whose reports are beyond the head of the log, which only the log tells.
   */
  take(nveId: string, applied: readonly Applied[], ahead: ReadonlySet<number> = new Set()): void {
    const before = this.of(nveId);
    const reports: Report[] = [];
    for (const one of applied) {
      if (this.#isIn(nveId, one.vnid)) reports.push({ ...one, verdict: ahead.has(one.vnid) ? 'ahead' : this.#verdict(one) });
      else if (before.has(one.vnid)) reports.push({ ...one, verdict: 'unknown' });
    }
    const differing = reports.filter(({ verdict }) => verdict === 'differs');
    this.#mismatches += differing.length;
    for (const { vnid } of differing) this.onDiffers(vnid);
    this.#reports.delete(nveId);
    this.#reports.set(nveId, new Map(reports.map((report) => [report.vnid, report])));
    if (this.#reports.size > MAX_REPORTERS) this.#reports.delete(this.#reports.keys().next().value!);
  }

  /** The first NVEs that have reported, by id, after one. */
  reporters(after: string, limit: number): readonly string[] {
    return [...this.#reports.keys()].filter((nveId) => nveId > after).toSorted().slice(0, limit);
  }

  of(nveId: string): ReadonlyMap<number, Report> {
    return this.#reports.get(nveId) ?? NONE;
  }

  #verdict({ vnid, log, position, digest }: Applied): Verdict {
    if (log !== this.#log || position > this.#foldPosition()) return 'unknown';
    return this.#digests.judge(`vn/${vnid}`, position, digest);
  }
}
