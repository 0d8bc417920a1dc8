import type { Distributor } from '@nva/distributor';
import type { Leader, Position } from '@nva/ports';
import type { Core } from './core.ts';

/** The state of a process, for its operator. */
export interface ProcessState {
  /** The process does its work: it is `whole`, and the event store has a leader. */
  readonly ready: boolean;
  /** The fold has caught up, and the feeds of this process are equal to it. */
  readonly whole: boolean;
  readonly logId: string;
  readonly foldPosition: Position;
  /** The leader among the nodes of the event store; undefined if the log is embedded in this process. */
  readonly leader: Leader | undefined;
  /** The id of a registrar that shares the log with other registrars. */
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
