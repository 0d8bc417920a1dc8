import {
  credentials,
  makeGenericClientConstructor,
  Metadata,
  Server,
  ServerCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import featuresService from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import gossipService, { type IGossipServer } from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { Failure } from './faults.ts';
import { TERM_HEADER, type View } from './majority.ts';
import { clusterInfo, demandsLeader, denial } from './roles.ts';

const BEAT_MS = 50;
const BEAT_LIMIT_MS = 500;
const MAX_MESSAGE_BYTES = 17 * 1024 * 1024;

/** Messages as they are: a node looks into none. */
type Bytes = Buffer;

interface Upstream {
  read(request: Bytes, metadata: Metadata): ClientReadableStream<Bytes>;
  batchAppend(metadata: Metadata): ClientDuplexStream<Bytes, Bytes>;
  append(metadata: Metadata, callback: sendUnaryData<Bytes>): ClientWritableStream<Bytes>;
  delete(request: Bytes, metadata: Metadata, callback: sendUnaryData<Bytes>): void;
  tombstone(request: Bytes, metadata: Metadata, callback: sendUnaryData<Bytes>): void;
}

interface Features {
  getSupportedMethods(request: Bytes, metadata: Metadata, callback: sendUnaryData<Bytes>): void;
}

export interface ClusterNodeOptions {
  readonly port: number;
  /** See MajorityOptions. */
  readonly majorityPort: number;
  readonly logPort: number;
}

/**
 * A node of a cluster: what clients see of it. It tells by gossip what it was told last by the majority, denies by its own state
 * what demands the leader, and passes the rest on to the log with its term, by which the majority denies it to one that is the
 * leader no longer.
 */
export class ClusterNode {
  readonly #port: number;
  readonly #server: Server;
  readonly #majority: string;
  readonly #beating: NodeJS.Timeout;
  readonly #upstream: Upstream;
  readonly #features: Features;
  #view: View = { term: 0, members: [], elections: 0, lastElectionMs: 0 };
  #beats = false;

  private constructor({ port, majorityPort, logPort }: ClusterNodeOptions, server: Server) {
    this.#port = port;
    this.#server = server;
    this.#majority = `http://127.0.0.1:${majorityPort}`;
    const address = `127.0.0.1:${logPort}`;
    const options = { 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES };
    this.#upstream = new (makeGenericClientConstructor(raw(streamsService.StreamsService), 'Streams'))(
      address,
      credentials.createInsecure(),
      options,
    ) as unknown as Upstream;
    this.#features = new (makeGenericClientConstructor(raw(featuresService.ServerFeaturesService), 'Features'))(
      address,
      credentials.createInsecure(),
      options,
    ) as unknown as Features;
    this.#beating = setInterval(() => void this.#beat(), BEAT_MS);
  }

  static async start(options: ClusterNodeOptions): Promise<ClusterNode> {
    const server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES });
    const node = new ClusterNode(options, server);
    node.#serve();
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${options.port}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())),
    );
    return node;
  }

  stop(): void {
    clearInterval(this.#beating);
    this.#server.forceShutdown();
  }

  /**
   * Tells that it lives, and is told what is agreed on. What it was told last stands while it is told nothing, as with a node that
   * is cut off.
   */
  async #beat(): Promise<void> {
    if (this.#beats) return;
    this.#beats = true;
    try {
      const answer = await fetch(`${this.#majority}/?node=${this.#port}`, { signal: AbortSignal.timeout(BEAT_LIMIT_MS) });
      this.#view = (await answer.json()) as View;
    } catch {
      // The next one.
    } finally {
      this.#beats = false;
    }
  }

  #serve(): void {
    const passing = (headers: Metadata): Metadata | Failure => {
      const denied = demandsLeader(headers) ? denial(this.#view.members, this.#port) : null;
      if (denied) return denied;
      const metadata = new Metadata();
      for (const name of ['requires-leader', 'authorization']) for (const value of headers.get(name)) metadata.add(name, value);
      metadata.set(TERM_HEADER, String(this.#view.term));
      return metadata;
    };
    const streams = {
      read: (call: ServerWritableStream<Bytes, Bytes>) => {
        const metadata = passing(call.metadata);
        if (!(metadata instanceof Metadata)) return call.emit('error', metadata);
        const upstream = this.#upstream.read(call.request, metadata);
        joined(call, upstream);
        piped(upstream, call);
      },
      batchAppend: (call: ServerDuplexStream<Bytes, Bytes>) => {
        const metadata = passing(call.metadata);
        if (!(metadata instanceof Metadata)) return call.emit('error', metadata);
        const upstream = this.#upstream.batchAppend(metadata);
        joined(call, upstream);
        piped(call, upstream);
        piped(upstream, call);
      },
      append: (call: ServerReadableStream<Bytes, Bytes>, callback: sendUnaryData<Bytes>) => {
        const metadata = passing(call.metadata);
        if (!(metadata instanceof Metadata)) return callback(metadata);
        piped(call, this.#upstream.append(metadata, callback));
      },
      delete: (call: ServerUnaryCall<Bytes, Bytes>, callback: sendUnaryData<Bytes>) => {
        const metadata = passing(call.metadata);
        if (metadata instanceof Metadata) this.#upstream.delete(call.request, metadata, callback);
        else callback(metadata);
      },
      tombstone: (call: ServerUnaryCall<Bytes, Bytes>, callback: sendUnaryData<Bytes>) => {
        const metadata = passing(call.metadata);
        if (metadata instanceof Metadata) this.#upstream.tombstone(call.request, metadata, callback);
        else callback(metadata);
      },
    };
    const gossip: IGossipServer = { read: (_call, callback) => callback(null, clusterInfo(this.#view.members)) };
    const features = {
      getSupportedMethods: (call: ServerUnaryCall<Bytes, Bytes>, callback: sendUnaryData<Bytes>) =>
        this.#features.getSupportedMethods(call.request, new Metadata(), callback),
    };
    this.#server.addService(raw(streamsService.StreamsService), streams);
    this.#server.addService(raw(featuresService.ServerFeaturesService), features);
    this.#server.addService(gossipService.GossipService, { ...gossip });
  }
}

/** An error of the log's is the node's, and a client that has gone has gone from both. */
function joined(
  call: ServerWritableStream<Bytes, Bytes> | ServerDuplexStream<Bytes, Bytes>,
  upstream: ClientReadableStream<Bytes> | ClientDuplexStream<Bytes, Bytes>,
): void {
  upstream.on('error', ({ code, details, metadata }: ServiceError) => {
    if (!call.cancelled) call.emit('error', { code, details, metadata });
  });
  call.on('cancelled', () => upstream.cancel());
  call.on('error', () => upstream.cancel());
}

/** Their types take no streams of Node's for ones of gRPC's. */
const piped = (from: Pick<NodeJS.ReadableStream, 'pipe'>, to: object): unknown => from.pipe(to as NodeJS.WritableStream);

const same = (bytes: Bytes): Bytes => bytes;
const raw = (service: object): ServiceDefinition =>
  Object.fromEntries(
    Object.entries(service as Record<string, object>).map(([name, method]) => [
      name,
      { ...method, requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
    ]),
  ) as unknown as ServiceDefinition;
