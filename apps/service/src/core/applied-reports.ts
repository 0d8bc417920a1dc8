import type { Applied } from '@nva/commands';
import type { FeedDigests, Verdict as FoldVerdict } from '@nva/fold';
import type { Position } from '@nva/ports';

/** Maximum number of NVEs whose reports are kept; beyond it, the NVE with the oldest report is dropped. */
const MAX_REPORTERS = 10_000;

const NONE: ReadonlyMap<number, Report> = new Map();

/** `ahead`: the report names a position that this log does not have. */
export type Verdict = FoldVerdict | 'ahead';

export interface Report extends Applied {
  /** The verdict when the report came, by the digests held for the reported position and later ones (`FeedDigests.judge`). */
  readonly verdict: Verdict;
}

/**
 * What NVEs report to have applied, by VN: soft state from their heartbeats. Each report is compared with the digests from its
 * own position on. So an NVE that is merely behind, or that is further than the position it can report, never counts as
 * different. If not all of these digests are held, the verdict is `unknown`.
 *
 * An NVE may also be further than this fold, and its reported position does not show it. So the verdict on a report that seems to
 * differ is `unknown` until the fold has passed everything that was in the log when the report came; if the report still differs
 * then, the verdict is `differs`.
 */
export class AppliedReports {
  readonly #log: string;
  readonly #digests: FeedDigests;
  readonly #foldPosition: () => Position;
  readonly #isIn: (nveId: string, vnid: number) => boolean;
  readonly #caughtUp: () => Promise<boolean>;
  /** By NVE and VN, the last reports that seem to differ and came after the log was last asked for its end. */
  #seeming = new Map<string, { readonly nveId: string; readonly report: Report }>();
  #confirming = false;
  readonly #reports = new Map<string, ReadonlyMap<number, Report>>();
  #mismatches = 0;
  /** Called with every VN of which an NVE holds another table than the fold. */
  onDiffers: (vnid: number) => void = () => undefined;

  /**
   * `isIn` tells whether an NVE is in a VN. `caughtUp` resolves when the fold has passed everything that is in the log now; it
   * resolves with false if that is not known.
   */
  constructor(
    log: string,
    digests: FeedDigests,
    foldPosition: () => Position,
    isIn: (nveId: string, vnid: number) => boolean,
    caughtUp: () => Promise<boolean>,
  ) {
    this.#caughtUp = caughtUp;
    this.#isIn = isIn;
    this.#log = log;
    this.#digests = digests;
    this.#foldPosition = foldPosition;
  }

  /** How many reports have differed since the start. */
  get mismatches(): number {
    return this.#mismatches;
  }

  /**
   * Takes reports about VNs that the NVE is in. The report about a VN that the NVE has left is kept, without a verdict, as long
   * as every heartbeat names the VN: the NVE's right to read the VN is withdrawn only after that. A report about any other VN is
   * dropped, whether the VN exists or not. `ahead`: the VNs whose reports are beyond the head of the log, which only the log can
   * tell.
   */
  take(nveId: string, applied: readonly Applied[], ahead: ReadonlySet<number> = new Set()): void {
    const before = this.of(nveId);
    const reports: Report[] = [];
    for (const one of applied) {
      if (this.#isIn(nveId, one.vnid)) reports.push({ ...one, verdict: ahead.has(one.vnid) ? 'ahead' : this.#verdict(one) });
      else if (before.has(one.vnid)) reports.push({ ...one, verdict: 'unknown' });
    }
    const kept = reports.map((report) =>
      report.verdict === 'differs'
        ? { ...report, verdict: this.#stillDiffers(before.get(report.vnid), report) ? ('differs' as const) : ('unknown' as const) }
        : report,
    );
    this.#reports.delete(nveId);
    this.#reports.set(nveId, new Map(kept.map((report) => [report.vnid, report])));
    if (this.#reports.size > MAX_REPORTERS) this.#reports.delete(this.#reports.keys().next().value!);
    for (const [i, { verdict }] of reports.entries())
      if (verdict === 'differs') this.#seeming.set(`${nveId} ${kept[i]!.vnid}`, { nveId, report: kept[i]! });
    if (this.#seeming.size > 0 && !this.#confirming) void this.#confirm();
  }

  /** Whether the same report was found to differ before. Then it does not become `unknown` again until it is checked. */
  #stillDiffers(before: Report | undefined, report: Report): boolean {
    return before?.verdict === 'differs' && isSame(before, report);
  }

  /** Judges reports that seem to differ, once the fold has passed everything that was in the log after they came. Never rejects. */
  async #confirm(): Promise<void> {
    this.#confirming = true;
    while (this.#seeming.size > 0) {
      const seeming = this.#seeming;
      this.#seeming = new Map();
      if (await this.#caughtUp()) for (const { nveId, report } of seeming.values()) this.#judgeAgain(nveId, report);
    }
    this.#confirming = false;
  }

  #judgeAgain(nveId: string, report: Report): void {
    const reports = this.#reports.get(nveId) as Map<number, Report> | undefined;
    const last = reports?.get(report.vnid);
    // The NVE has reported something else since, or has left the VN.
    if (!reports || !last || !isSame(last, report) || !this.#isIn(nveId, report.vnid)) return;
    const verdict = this.#verdict(report);
    reports.set(report.vnid, { ...report, verdict });
    if (verdict !== 'differs') return;
    this.#mismatches++;
    this.onDiffers(report.vnid);
  }

  /** The ids of the first NVEs that have reported, in order, among those after the given id. */
  reporters(after: string, limit: number): readonly string[] {
    return [...this.#reports.keys()]
      .filter((nveId) => nveId > after)
      .toSorted()
      .slice(0, limit);
  }

  of(nveId: string): ReadonlyMap<number, Report> {
    return this.#reports.get(nveId) ?? NONE;
  }

  #verdict({ vnid, log, position, digest }: Applied): Verdict {
    if (log !== this.#log || position > this.#foldPosition()) return 'unknown';
    return this.#digests.judge(`vn/${vnid}`, position, digest);
  }
}

const isSame = (a: Report, b: Report): boolean => a.log === b.log && a.position === b.position && a.digest === b.digest;

/** The last report of an NVE about a VN, with the verdict. */
export interface AppliedBody {
  readonly log: string;
  readonly position: string;
  readonly digest: string;
  readonly verdict: Verdict;
}

export const appliedBody = ({ log, position, digest, verdict }: Report): AppliedBody => ({
  log,
  position: String(position),
  digest,
  verdict,
});
