import { aggregateOfStream, type Aggregate, type AggregateState } from '@nva/domain';
import type { Position } from '@nva/ports';
import type { Network } from './network.ts';

/** What the fold keeps of an aggregate. `state` is null if other events only mention the aggregate. */
export interface FoldedAggregate {
  readonly state: AggregateState | null;
  readonly revision: number;
  /** Position of its last event. */
  readonly position: Position;
}

/** Where the fold keeps each aggregate, by the end of its stream's name. */
const KEPT: Readonly<Record<Aggregate, (network: Network, name: string) => FoldedAggregate | undefined>> = {
  ts: ({ tenantSystems }, name) => tenantSystems.get(name),
  vn: ({ vns }, name) => vns.get(Number(name)),
  nve: ({ nves }, name) => nves.get(name),
};

/** The folded aggregate of a stream; undefined if nothing is folded, or if the stream is of something else. */
export function foldedOf(network: Network, stream: string): FoldedAggregate | undefined {
  const of = aggregateOfStream(stream);
  return of === null ? undefined : KEPT[of.aggregate](network, of.name);
}
