import { mappingKey, memberKey, type Mapping, type VnMember } from '@nva/codec';
import { sameValue, type VnTable } from '@nva/nve';
import { until } from '@nva/processes';
import { CheckFailed } from './check-failed.ts';
import type { Listed, NvaApi } from './nva-api.ts';
import type { NveAgent } from './nve-agent.ts';
import type { Stage } from './stage.ts';

/** Maximum time from the NVA's answer to the last NVE's table; a broker with new consumers needs time. */
const SETTLE_TIMEOUT_MS = 120_000;

/** How much was compared; a difference has thrown. */
export interface Checked {
  readonly nves: number;
  /** Number of tables whose digest the NVA found equal to its own. */
  readonly digests: number;
  /** Number of entries of NVEs that were compared with the NVA's field by field. */
  readonly entries: number;
}

/**
 * Waits, for a bounded time, until every running NVE has applied the newest change of each of its VNs. Then compares in two
 * independent ways: each NVE reports its digests in a heartbeat, and the NVA judges them; and every member and mapping of an NVE
 * is compared with the NVA's answers over REST. Nobody writes meanwhile. Throws CheckFailed.
 */
export async function checkTables(stage: Stage): Promise<Checked> {
  const counts = await Promise.all(stage.agents.map((agent) => checkDigests(agent, stage)));
  const digests = counts.reduce((sum, count) => sum + count, 0);
  let entries = 0;
  for (const { name, vnid } of stage.names.figure.vns) entries += await checkEntries(stage, name, vnid);
  return { nves: stage.agents.length, digests, entries };
}

/**
 * The NVA judges the reported digest at the reported position. So an NVE that is only behind is asked again; a table that differs
 * fails at once.
 */
async function checkDigests(agent: NveAgent, { api, names }: Stage): Promise<number> {
  const { nveId, client } = agent;
  const meant = (await api.nve(nveId)).memberships.map(({ vnid }) => vnid);
  const lacking = async (): Promise<string | null> => {
    if (client.membershipStatus().state !== 'live') return 'it has not read its own feed';
    const told = [...client.memberships.keys()].sort((a, b) => a - b);
    if (!sameValue(told, meant)) return `it is in ${listed(told)}, and should be in ${listed(meant)}`;
    const catchingUp = client.status().find(({ state, digest }) => state !== 'live' || digest === null);
    if (catchingUp) return `${names.vnNamed(catchingUp.vnid)} is ${catchingUp.state}`;
    return judged(agent, api, names.vnNamed.bind(names));
  };
  await until(`${nveId} has applied what the NVA has recorded`, lacking, SETTLE_TIMEOUT_MS);
  const disagreements = client.disagreements();
  if (disagreements.length > 0) throw new CheckFailed(`${nveId} hosts other things than the NVA says: ${JSON.stringify(disagreements)}`);
  return meant.length;

  function listed(vnids: readonly number[]): string {
    return vnids.length === 0 ? 'no VN' : vnids.map((vnid) => names.vnNamed(vnid)).join(' and ');
  }
}

/** null if the NVA finds every table of the NVE equal to its own. */
async function judged(agent: NveAgent, api: NvaApi, nameOf: (vnid: number) => string): Promise<string | null> {
  await agent.heartbeat();
  for (const { vnid, applied } of (await api.nve(agent.nveId)).memberships) {
    switch (applied?.verdict) {
      case 'same':
        continue;
      case 'behind':
        return `it is behind in ${nameOf(vnid)}, at ${applied.position}`;
      default:
        throw new CheckFailed(
          `${agent.nveId} reported ${applied?.digest ?? 'nothing'} at ${applied?.position ?? 'no position'} for ${nameOf(vnid)}: the NVA says «${applied?.verdict ?? 'nothing'}»`,
        );
    }
  }
  return null;
}

async function checkEntries(stage: Stage, name: string, vnid: number): Promise<number> {
  const inVn = stage.agents.filter(({ client }) => client.memberships.has(vnid));
  if (inVn.length === 0) return 0;
  const members = (await stage.api.members(vnid)).map((member) => [memberKey(member.nveId), memberOf(member)] as const);
  const mappings = (await stage.api.mappings(vnid)).map((mapping) => [mappingKey(mapping), mapping] as const);
  const meant = new Map<string, unknown>([...members, ...mappings]);
  for (const { nveId, client } of inVn) checkSame(`${nveId} in ${name}`, heldIn(client.table(vnid)!), meant);
  return inVn.length * meant.size;
}

/** The fields of the NVA's list that NVEs also receive. */
const memberOf = ({ nveId, mac, addresses, reachable, position }: Listed<VnMember>): Listed<VnMember> => ({
  nveId,
  mac,
  addresses,
  reachable,
  position,
});

/** The table of an NVE in the form of the NVA's lists. */
function heldIn(table: VnTable): Map<string, Listed<Mapping> | Listed<VnMember>> {
  const position = (key: string): string => String(table.positionOf(key));
  const members = [...table.members].map(
    ([nveId, member]) => [memberKey(nveId), { ...member, position: position(memberKey(nveId)) }] as const,
  );
  const mappings = [...table.mappings()].map(([key, mapping]) => [key, { ...mapping, position: position(key) }] as const);
  return new Map<string, Listed<Mapping> | Listed<VnMember>>([...members, ...mappings]);
}

function checkSame(where: string, held: ReadonlyMap<string, unknown>, meant: ReadonlyMap<string, unknown>): void {
  for (const key of new Set([...held.keys(), ...meant.keys()])) {
    if (sameValue(held.get(key), meant.get(key))) continue;
    throw new CheckFailed(
      `${where}, ${key}: the NVE holds ${JSON.stringify(held.get(key) ?? null)}, the NVA ${JSON.stringify(meant.get(key) ?? null)}`,
    );
  }
}
