import type { Metadata } from '@grpc/grpc-js';
import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import { noLeaderInfo, notLeader, serverNotReady, type Failure } from './faults.ts';
import { uuidOf } from './messages.ts';

const { VNodeState } = gossip.MemberInfo;

/** As gossip tells of them. During an election nodes are in the latter ones, and none is leader or follower. */
const STATES = {
  'leader': VNodeState.LEADER,
  'follower': VNodeState.FOLLOWER,
  'read-only-replica': VNodeState.READONLYREPLICA,
  'unknown': VNodeState.UNKNOWN,
  'pre-leader': VNodeState.PRELEADER,
  'pre-replica': VNodeState.PREREPLICA,
  'catching-up': VNodeState.CATCHINGUP,
  'clone': VNodeState.CLONE,
} as const;

export type NodeState = keyof typeof STATES;

export interface Member {
  readonly port: number;
  readonly state: NodeState;
  /** True by default. */
  readonly alive?: boolean;
}

/** Appends and reads of ours do; subscriptions do not. */
export const demandsLeader = (headers: Metadata): boolean => headers.get('requires-leader')[0] === 'true';

export const leaderAmong = (members: readonly Member[]): Member | undefined =>
  members.find(({ state, alive = true }) => alive && state === 'leader');

/**
 * What a node answers, by its state, to what demands the leader; null if it takes the call (KurrentDB, `ClusterVNodeController`: in
 * no state of a replica it is not ready; a replica denies by the leader that it knows, if any,
 * `RpcExceptions.TryHandleNotHandled`).
 */
export function denial(members: readonly Member[], port: number): Failure | null {
  const state = members.find((member) => member.port === port)?.state ?? 'unknown';
  if (state === 'leader') return null;
  if (state === 'unknown' || state === 'pre-leader') return serverNotReady();
  const leader = leaderAmong(members);
  return leader ? notLeader({ host: '127.0.0.1', port: leader.port }) : noLeaderInfo();
}

export function clusterInfo(members: readonly Member[]): InstanceType<typeof gossip.ClusterInfo> {
  const info = new gossip.ClusterInfo();
  for (const { port, state, alive = true } of members) {
    const member = new gossip.MemberInfo();
    const endPoint = new gossip.EndPoint();
    endPoint.setAddress('127.0.0.1');
    endPoint.setPort(port);
    member.setInstanceId(uuidOf('00000000-0000-4000-8000-000000000000'));
    member.setTimeStamp('0');
    member.setState(STATES[state]);
    member.setIsAlive(alive);
    member.setHttpEndPoint(endPoint);
    info.addMembers(member);
  }
  return info;
}
