import type { Nve, TenantSystem, Vn } from '../api/answers.ts';
import { part, type NvaClient } from '../api/client.ts';
import { EXIT, Failure } from '../exit-codes.ts';
import type { Manifest } from './manifest.ts';
import { nameOf, type Present } from './plan.ts';

/** Up to so many of a kind are asked for one by one; of more, the list is read. */
const ONE_BY_ONE = 64;
/** So many of a kind are held at most. */
const MAX_PRESENT = 2_000_000;

/** What the NVA has of what a manifest names; with `all`, of everything, since what is not named may be pruned. */
export async function readPresent(client: NvaClient, manifest: Manifest, all: boolean): Promise<Present> {
  const vns = await read<Vn>(
    client,
    '/v1/vns',
    manifest.vns?.map(({ vnid }) => [`/v1/vns/${vnid}`, {}]),
    all,
  );
  const nves = await read<Nve>(
    client,
    '/v1/nves',
    manifest.nves?.map(({ nveId }) => [`/v1/nves/${part(nveId)}`, {}]),
    all,
  );
  const tenantSystems = await read<TenantSystem>(
    client,
    '/v1/tenant-systems',
    manifest.tenantSystems?.map(({ tsId, tenantId }) => [`/v1/tenant-systems/${part(tsId)}`, { tenantId }]),
    all,
  );
  return {
    vns: new Map(vns.map((vn) => [vn.vnid, vn])),
    nves: new Map(nves.map((nve) => [nve.nveId, nve])),
    tenantSystems: new Map(tenantSystems.map((ts) => [nameOf(ts), ts])),
  };
}

type Ask = readonly [path: string, query: Readonly<Record<string, string>>];

async function read<T>(client: NvaClient, list: string, asks: readonly Ask[] | undefined, all: boolean): Promise<readonly T[]> {
  const found: T[] = [];
  if (!asks || (asks.length === 0 && !all)) return found;
  if (!all && asks.length <= ONE_BY_ONE) {
    for (const ask of asks) {
      const one = await client.find<T>(...ask);
      if (one !== null) found.push(one);
    }
    return found;
  }
  for await (const item of client.items<T>(list)) {
    if (found.length === MAX_PRESENT)
      throw new Failure(EXIT.refused, `${list} has more than ${MAX_PRESENT} items: that is too much for one apply`);
    found.push(item);
  }
  return found;
}
