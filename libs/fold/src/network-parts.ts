import { Holdings } from './holdings.ts';
import type { FoldedNve, FoldedTs, FoldedVn } from './model.ts';
import { Namesakes } from './namesakes.ts';
import type { FoldedOracle } from './oracles.ts';
import { OrderedMap } from './ordered.ts';
import { TunnelEnds } from './tunnel-ends.ts';

/** What a network keeps; a fork brings its own. */
export interface NetworkParts {
  readonly tenantSystems: Map<string, FoldedTs>;
  readonly namesakes: Namesakes;
  readonly vns: OrderedMap<number, FoldedVn>;
  readonly nves: OrderedMap<string, FoldedNve>;
  readonly nvesAlike: Map<string, readonly FoldedNve[]>;
  readonly oracles: Map<string, FoldedOracle>;
  readonly holdings: Holdings;
  readonly tunnelEnds: TunnelEnds;
}

export function noParts(): NetworkParts {
  const tenantSystems = new Map<string, FoldedTs>();
  return {
    tenantSystems,
    namesakes: new Namesakes(tenantSystems),
    vns: new OrderedMap(),
    nves: new OrderedMap(),
    nvesAlike: new Map(),
    oracles: new Map(),
    holdings: new Holdings(),
    tunnelEnds: new TunnelEnds(),
  };
}
