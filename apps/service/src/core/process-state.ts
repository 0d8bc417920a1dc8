import type { Distributor } from '@nva/distributor';
import type { Leader, Position } from '@nva/ports';
import type { Core } from './core.ts';

/** How a process stands, for whoever runs it. */
export interface ProcessState {
  /** The process does its work: what it has is whole, and the event store has a leader. */
  readonly ready: boolean;
  /** The fold has caught up, and the feeds that are this process's are equal to it. */
  readonly whole: boolean;
  readonly logId: string;
  readonly foldPosition: Position;
  /** Of the nodes of the event store; undefined where there is but this process. */
  readonly leader: Leader | undefined;
  /** Of a registrar among others. */
  readonly oracleId: string | undefined;
  readonly distributor: Pick<Distributor, 'publishedPosition' | 'aside'> | undefined;
}

export const stateOf = (core: Core): ProcessState => ({
  get ready() {
    return core.ready;
  },
  get whole() {
    return core.whole;
  },
  get logId() {
    return core.store.logId;
  },
  get foldPosition() {
    return core.replica.network.position;
  },
  get leader() {
    return core.store.leader;
  },
  get oracleId() {
    return core.registrarRole?.election?.oracleId;
  },
  get distributor() {
    return core.distributorRole?.distributor;
  },
});
