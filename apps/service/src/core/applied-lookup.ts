import type { Network } from '@nva/fold';
import { appliedBody, type AppliedBody, type AppliedReports } from './applied-reports.ts';
import { allAppliedAt, appliedAt } from './peers.ts';

/** NVEs that an owner tells of at once, which is as many as it does. */
const PER_PAGE = 1_000;

export interface AppliedLookupOptions {
  /** The reports that NVEs have sent to this process. */
  readonly reports: AppliedReports;
  readonly network: () => Network;
  /** Whether heartbeats come to this process. The reports of a former owner are older than those of the present one. */
  readonly hears: () => boolean;
}

/**
 * Finds what NVEs report to have applied. Heartbeats reach the owner of the deadlines of an NVE's group, so another process asks that
 * owner. With several groups it asks all owners, since only registrars know the group of an NVE. If an owner does not answer, its
 * reports are missing.
 */
export class AppliedLookup {
  readonly #options: AppliedLookupOptions;

  constructor(options: AppliedLookupOptions) {
    this.#options = options;
  }

  /** The reports of one NVE, by VNID. `authorization` is sent to the owners. */
  async of(nveId: string, authorization: string | undefined): Promise<ReadonlyMap<number, AppliedBody>> {
    const { reports, hears } = this.#options;
    if (hears()) return new Map([...reports.of(nveId)].map(([vnid, report]) => [vnid, appliedBody(report)]));
    const told = await Promise.all(this.#owners().map((url) => appliedAt(url, nveId, authorization)));
    return new Map(told.flat().map(({ vnid, ...applied }) => [vnid, applied]));
  }

  /** The reports of the first `limit` NVEs whose id comes after `after`. Asks each owner once. */
  async ofAll(
    after: string,
    limit: number,
    authorization: string | undefined,
  ): Promise<(nveId: string, vnid: number) => AppliedBody | null> {
    const { reports, hears } = this.#options;
    if (hears()) {
      return (nveId, vnid) => {
        const report = reports.of(nveId).get(vnid);
        return report ? appliedBody(report) : null;
      };
    }
    const told = await Promise.all(this.#owners().map((url) => allAppliedAt(url, after, limit, authorization)));
    const byNve = new Map<string, Map<number, AppliedBody>>();
    for (const { nveId, applied } of told.flat())
      byNve.set(nveId, new Map([...(byNve.get(nveId) ?? []), ...applied.map(({ vnid, ...body }) => [vnid, body] as const)]));
    return (nveId, vnid) => byNve.get(nveId)?.get(vnid) ?? null;
  }

  /** The reports of NVEs, by id. Each owner is asked page by page, until it has told of the last of them. */
  async ofThese(
    nveIds: readonly string[],
    authorization: string | undefined,
  ): Promise<(nveId: string, vnid: number) => AppliedBody | null> {
    const { hears } = this.#options;
    const last = nveIds.toSorted().at(-1);
    if (hears() || last === undefined) return this.ofAll('', 0, authorization);
    const wanted = new Set(nveIds);
    const byNve = new Map<string, Map<number, AppliedBody>>();
    const ask = async (url: string): Promise<void> => {
      for (let after = ''; ;) {
        const told = await allAppliedAt(url, after, PER_PAGE, authorization);
        for (const { nveId, applied } of told)
          if (wanted.has(nveId))
            byNve.set(nveId, new Map([...(byNve.get(nveId) ?? []), ...applied.map(({ vnid, ...body }) => [vnid, body] as const)]));
        const next = told.at(-1)?.nveId;
        // Without progress it would never end.
        if (told.length < PER_PAGE || next === undefined || next >= last || next <= after) return;
        after = next;
      }
    };
    await Promise.all(this.#owners().map(ask));
    return (nveId, vnid) => byNve.get(nveId)?.get(vnid) ?? null;
  }

  #owners(): string[] {
    return [...this.#options.network().oracles.values()].map(({ url }) => url);
  }
}
