import { randomInt } from 'node:crypto';
import type { EventStoreDBClient } from '@eventstore/db-client';
import { systemClock } from '@nva/ports';
import services, { type GossipClient } from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossip, { type ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import type { Endpoint, NodePreference } from './connection-string.ts';
import { insideOf } from './inside.ts';

const { VNodeState } = gossip.MemberInfo;
/** gRPC codes with which a living node refuses to tell the members of the cluster. */
const TELLS_NOTHING: ReadonlySet<number> = new Set([/* PERMISSION_DENIED */ 7, /* UNIMPLEMENTED */ 12, /* UNAUTHENTICATED */ 16]);

/** A node as another one reports it. Only these states are distinguished; while there is no leader, nodes are in others. */
export interface Member extends Endpoint {
  readonly state: 'leader' | 'follower' | 'read-only-replica' | 'other';
  readonly alive: boolean;
}

/** The members that a node knows; null if it does not tell. Rejects if it does not answer in time. */
export async function membersBy(client: EventStoreDBClient, timeoutMs: number): Promise<readonly Member[] | null> {
  const inside = insideOf(client);
  const stubs: GossipClient = await inside.getGRPCClient(services.GossipClient, 'gossip');
  return new Promise((resolve, reject) => {
    const call = stubs.read(new shared.Empty(), ...inside.callArguments({}, { deadline: Infinity }), (error, info) => {
      callOff();
      if (!error) resolve(membersIn(info!));
      else if (TELLS_NOTHING.has(error.code)) resolve(null);
      else reject(error);
    });
    // A deadline of the call itself would use the wall clock.
    const callOff = systemClock.after(timeoutMs, () => {
      reject(new Error(`no answer within ${timeoutMs} ms`));
      call.cancel();
    });
  });
}

const membersIn = (info: ClusterInfo): readonly Member[] =>
  info.getMembersList().flatMap((member): Member[] => {
    const endpoint = member.getHttpEndPoint();
    return endpoint
      ? [{ host: endpoint.getAddress(), port: endpoint.getPort(), state: stateIn(member.getState()), alive: member.getIsAlive() }]
      : [];
  });

function stateIn(state: number): Member['state'] {
  if (state === VNodeState.LEADER) return 'leader';
  if (state === VNodeState.FOLLOWER) return 'follower';
  return state === VNodeState.READONLYREPLICA || state === VNodeState.PREREADONLYREPLICA || state === VNodeState.READONLYLEADERLESS
    ? 'read-only-replica'
    : 'other';
}

/** The present leader, as far as the reporting node knows. */
export const leaderAmong = (members: readonly Member[]): Member | undefined =>
  members.find(({ alive, state }) => alive && state === 'leader');

/**
 * The node to use for a preference; undefined if there is none. A preference for the leader accepts no other node. For the
 * others, a node of the preferred state is best, and any node in a serving state will do, as in the client's own discovery.
 */
export function chosen(members: readonly Member[], preference: NodePreference): Member | undefined {
  if (preference === 'leader') return leaderAmong(members);
  const able = members.filter(({ alive, state }) => alive && state !== 'other');
  const best = able.filter(({ state }) => state === preference);
  const from = best.length > 0 ? best : able;
  return from.length > 0 ? from[randomInt(from.length)] : undefined;
}
