import type { EventStoreDBClient } from '@eventstore/db-client';
import type { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js';

type Constructor<C> = new (...args: never[]) => C;
type Metadata = NonNullable<Parameters<StreamsClient['batchAppend']>[0]> & NonNullable<Parameters<StreamsClient['read']>[1]>;

/** Members that the client has, but that its types hide from other classes. */
export interface ClientInside {
  readonly capabilities: Promise<{ readonly serverVersion: string }>;
  /**
   * The client calls this with every error of a call, and nobody awaits it. The original looks for another node, and rejects if
   * there is none, which nobody can catch. So `Link` replaces it.
   */
  handleError: (stubs: unknown, error: unknown) => Promise<void>;
  getChannel(): Promise<{ close(): void }>;
  /** The stubs of one service. */
  getGRPCClient<C>(service: Constructor<C>, name: string): Promise<C>;
  /** Opens a call. */
  GRPCStreamCreator<C, S>(service: Constructor<C>, name: string, create: (stubs: C) => S): () => Promise<S>;
  /** Metadata and credentials of a call. */
  callArguments(options: { readonly requiresLeader?: boolean }, call: { readonly deadline: number }): [metadata: Metadata, options: object];
}

export const insideOf = (client: EventStoreDBClient): ClientInside => client as unknown as ClientInside;
