import type { Core } from './core.ts';
import { appliedAt } from './peers.ts';
import { appliedBody, type AppliedBody } from './views.ts';

/**
 * What an NVE says it has applied. Heartbeats reach the owner of the terms of its group, so a process that is not that one asks it; with
 * several groups, all owners, for which group an NVE is in is the registrars' business. An owner that does not answer says nothing.
 */
export async function appliedBy(core: Core, nveId: string, authorization: string | undefined): Promise<ReadonlyMap<number, AppliedBody>> {
  const { election } = core.registration ?? {};
  // What a former owner heard is older than what the present one hears.
  if (core.registration && (!election || election.owner() !== null)) return new Map([...core.applied.of(nveId)].map(([vnid, report]) => [vnid, appliedBody(report)]));
  const told = await Promise.all([...core.replica.network.oracles.values()].map(({ url }) => appliedAt(url, nveId, authorization)));
  return new Map(told.flat().map(({ vnid, ...applied }) => [vnid, applied]));
}
