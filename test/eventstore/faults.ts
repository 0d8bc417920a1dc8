import { Metadata, status, type ServiceError } from '@grpc/grpc-js';

/** What the stand-in is told to do wrong, changed while it runs. Everything off by default. */
export interface Faults {
  /**
   * Calls that demand the leader are answered «not leader» with this endpoint, as by a follower; it serves the others, appends by
   * passing them on.
   */
  notLeader: { readonly host: string; readonly port: number } | null;
  /** Calls without these credentials, `name:password`, are denied access. */
  credentials: string | null;
  /** What demands the leader, and whether this node may take it: by its state, and in a cluster by who is the leader now. */
  denial: (headers: Metadata) => Failure | null;
  /** Gossip is asked for and not answered, as of a process that is stopped. */
  silent: boolean;
  /** Calls are refused by a node that is too busy; so many, then no more. */
  tooBusy: number;
  /** Calls are refused with UNAVAILABLE; so many, then no more. */
  unavailable: number;
  /** Appends are applied and their answers lost with the connection; so many. */
  loseAnswers: number;
  /** Appends are applied and never answered, on a connection that stays; so many. */
  withholdAnswers: number;
  /** Pause before the answer to each append that is taken now. */
  answerDelayMs: number;
  /** Appends are refused, each on its own, by a node that is not ready; so many. */
  notReady: number;
  /** Appends are applied and answered by a timeout of the server's own; so many. */
  timeouts: number;
  /** A subscription ends once it has sent so many events, counted anew for each connection. */
  dropAfterEvents: number;
  /** So many times; none by default. */
  drops: number;
  /** How the dropped subscription ends: a node that goes down cancels, since version 24.4. */
  dropWith: 'unavailable' | 'cancelled' | 'end';
  /** Pause before each event of a subscription. */
  eventDelayMs: number;
  /** Events sent to subscribers so far. */
  sentEvents: number;
}

export const noFaults = (): Faults => ({
  notLeader: null,
  credentials: null,
  denial: () => null,
  silent: false,
  tooBusy: 0,
  unavailable: 0,
  loseAnswers: 0,
  withholdAnswers: 0,
  answerDelayMs: 0,
  notReady: 0,
  timeouts: 0,
  dropAfterEvents: 0,
  drops: 0,
  dropWith: 'unavailable',
  eventDelayMs: 0,
  sentEvents: 0,
});

export type Failure = Pick<ServiceError, 'code' | 'details' | 'metadata'>;

/** An error as the server raises it: the client goes by `exception` in the trailers, and by the code where there is none. */
export function failure(code: status, details: string, trailers: Readonly<Record<string, string>> = {}): Failure {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  return { code, details, metadata };
}

/** Texts and trailers as in RpcExceptions of KurrentDB. */
export const notLeader = ({ host, port }: { readonly host: string; readonly port: number }): Failure =>
  failure(status.NOT_FOUND, 'Leader info available', {
    'exception': 'not-leader',
    'leader-endpoint-host': host,
    'leader-endpoint-port': String(port),
  });
export const accessDenied = (): Failure => failure(status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' });
export const noLeaderInfo = (): Failure => failure(status.UNKNOWN, 'No leader info available in response');
export const serverTooBusy = (): Failure => failure(status.UNAVAILABLE, 'Server Is Too Busy');
export const serverNotReady = (): Failure => failure(status.UNAVAILABLE, 'Server Is Not Ready');
export const cancelled = (): Failure => failure(status.CANCELLED, 'the node is going down');
export const deleted = (stream: string): Failure =>
  failure(status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, { 'exception': 'stream-deleted', 'stream-name': stream });
export const invalidPosition = (): Failure => failure(status.INVALID_ARGUMENT, 'Trying to read from an invalid position.');
export const maxAppendSizeExceeded = (bytes: number): Failure =>
  failure(status.INVALID_ARGUMENT, `Maximum Append Size of ${bytes} Exceeded.`, {
    'exception': 'maximum-append-size-exceeded',
    'maximum-append-size': String(bytes),
  });

/** The fault that meets a call with these headers now, if any. */
export function faultOf(faults: Faults, headers: Metadata): Failure | null {
  if (faults.credentials !== null && headers.get('authorization')[0] !== `Basic ${Buffer.from(faults.credentials).toString('base64')}`)
    return accessDenied();
  if (faults.notLeader && headers.get('requires-leader')[0] === 'true') return notLeader(faults.notLeader);
  const denied = faults.denial(headers);
  if (denied) return denied;
  if (faults.tooBusy > 0) {
    faults.tooBusy--;
    return serverTooBusy();
  }
  if (faults.unavailable > 0) {
    faults.unavailable--;
    return serverNotReady();
  }
  return null;
}
