import type { Core } from './core.ts';
import { allAppliedAt, appliedAt } from './peers.ts';
import { appliedBody, type AppliedBody } from '../reads/views.ts';

/**
 * What an NVE says it has applied. Heartbeats reach the owner of the terms of its group, so a process that is not that one asks it; with
 * several groups, all owners, for which group an NVE is in is the registrars' business. An owner that does not answer says nothing.
 */
export async function appliedBy(core: Core, nveId: string, authorization: string | undefined): Promise<ReadonlyMap<number, AppliedBody>> {
  if (hears(core)) return new Map([...core.applied.of(nveId)].map(([vnid, report]) => [vnid, appliedBody(report)]));
  const told = await Promise.all([...core.replica.network.oracles.values()].map(({ url }) => appliedAt(url, nveId, authorization)));
  return new Map(told.flat().map(({ vnid, ...applied }) => [vnid, applied]));
}

/** The same of many NVEs: of the first `limit` whose id comes after one. One question to each owner. */
export async function appliedByAll(
  core: Core,
  after: string,
  limit: number,
  authorization: string | undefined,
): Promise<(nveId: string, vnid: number) => AppliedBody | null> {
  if (hears(core)) {
    return (nveId, vnid) => {
      const report = core.applied.of(nveId).get(vnid);
      return report ? appliedBody(report) : null;
    };
  }
  const told = await Promise.all(
    [...core.replica.network.oracles.values()].map(({ url }) => allAppliedAt(url, after, limit, authorization)),
  );
  const byNve = new Map<string, Map<number, AppliedBody>>();
  for (const { nveId, applied } of told.flat())
    byNve.set(nveId, new Map([...(byNve.get(nveId) ?? []), ...applied.map(({ vnid, ...body }) => [vnid, body] as const)]));
  return (nveId, vnid) => byNve.get(nveId)?.get(vnid) ?? null;
}

/** Whether heartbeats come to this process. What a former owner heard is older than what the present one hears. */
function hears({ registration }: Core): boolean {
  return registration !== null && (!registration.election || registration.election.owner() !== null);
}
