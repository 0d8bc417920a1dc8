import { Server, ServerCredentials } from '@grpc/grpc-js';
import gossipService from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import featuresService from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { IGossipServer } from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import type { IServerFeaturesServer } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import type { IStreamsServer } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { Appending } from './appending.ts';
import { noFaults, type Faults } from './faults.ts';
import { nameIn } from './messages.ts';
import { Reading } from './reading.ts';
import { clusterInfo, demandsLeader, denial, type Member } from './roles.ts';
import { StandInLog } from './stand-in-log.ts';

/** EventStoreDB's default of `MaxAppendSize`. */
const DEFAULT_MAX_APPEND_BYTES = 1024 * 1024;
const VERSION = '24.10.0';

export interface StandInOptions {
  readonly directory: string;
  readonly port?: number;
  readonly maxAppendBytes?: number;
  readonly version?: string;
  readonly credentials?: ServerCredentials;
  /** The log of another node of the same cluster, instead of one of its own. */
  readonly log?: StandInLog;
}

/**
 * Speaks the part of EventStoreDB's gRPC protocol that the log needs, with its documented behaviour, and fails as it is told.
 * What each behaviour follows stands in test/eventstore/README.md.
 */
export class StandIn {
  readonly port: number;
  readonly faults: Faults = noFaults();
  /** What gossip tells of the cluster, and this node's own state by it; this node alone by default. */
  members: readonly Member[];
  readonly log: StandInLog;
  readonly #server: Server;
  readonly #ownsLog: boolean;

  private constructor(server: Server, log: StandInLog, port: number, ownsLog: boolean) {
    this.#ownsLog = ownsLog;
    this.#server = server;
    this.log = log;
    this.port = port;
    this.members = [{ port, state: 'leader' }];
    this.faults.denial = (headers) => (demandsLeader(headers) ? denial(this.members, this.port) : null);
  }

  get url(): string {
    return `esdb://127.0.0.1:${this.port}?tls=false`;
  }

  static async start({
    directory,
    port = 0,
    maxAppendBytes = DEFAULT_MAX_APPEND_BYTES,
    version = VERSION,
    credentials = ServerCredentials.createInsecure(),
    log: shared,
  }: StandInOptions): Promise<StandIn> {
    const log = shared ?? (await StandInLog.open(directory));
    const server = new Server({ 'grpc.max_receive_message_length': 17 * 1024 * 1024 });
    const bound = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${port}`, credentials, (error, given) => (error ? reject(error) : resolve(given))),
    );
    const standIn = new StandIn(server, log, bound, shared === undefined);
    standIn.#serve(maxAppendBytes, version);
    return standIn;
  }

  /** Breaks every connection, as a process that ends, and closes the log. */
  async stop(): Promise<void> {
    this.#server.forceShutdown();
    if (this.#ownsLog) await this.log.close();
  }

  /** The same, and the log stays open for the other nodes. */
  async stopListening(): Promise<void> {
    this.#server.forceShutdown();
  }

  #serve(maxAppendBytes: number, version: string): void {
    const reading = new Reading(this.log, this.faults);
    const appending = new Appending(this.log, this.faults, maxAppendBytes);
    const streamsServer: IStreamsServer = {
      read: (call) => void reading.serve(call),
      append: (call, callback) => appending.single(call, callback),
      batchAppend: (call) => appending.batch(call),
      delete: (call, callback) => {
        this.log.softDelete(nameIn(call.request.getOptions()!.getStreamIdentifier()));
        callback(null, new streams.DeleteResp());
      },
      tombstone: (call, callback) => {
        void this.log
          .tombstone(nameIn(call.request.getOptions()!.getStreamIdentifier()))
          .then(() => callback(null, new streams.TombstoneResp()));
      },
    };
    const featuresServer: IServerFeaturesServer = {
      getSupportedMethods: (_call, callback) => {
        const supported = new features.SupportedMethods();
        supported.setEventStoreServerVersion(version);
        for (const name of ['Read', 'Append', 'BatchAppend', 'Delete', 'Tombstone']) {
          const method = new features.SupportedMethod();
          method.setServiceName('event_store.client.streams.Streams');
          method.setMethodName(name);
          supported.addMethods(method);
        }
        callback(null, supported);
      },
    };
    const gossipServer: IGossipServer = {
      read: (_call, callback) => void (this.faults.silent || callback(null, clusterInfo(this.members))),
    };
    this.#server.addService(streamsService.StreamsService, { ...streamsServer });
    this.#server.addService(featuresService.ServerFeaturesService, { ...featuresServer });
    this.#server.addService(gossipService.GossipService, { ...gossipServer });
  }
}
