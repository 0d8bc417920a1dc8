import { rankInChange } from '@nva/codec';
import { NveClient, SseTransport, sameValue, type LocalAttachment, type TableChange } from '@nva/nve';
import { KafkaFeedTransport } from '@nva/kafka';
import type { FeedTransport } from '@nva/ports';
import type { FigureNve } from './figure.ts';
import type { Answer, NvaApi } from './nva-api.ts';
import type { KafkaPlace } from './nva-process.ts';

/** One key of one VN's table that differs between the start and the end of a step. */
export type TableDifference = TableChange & { readonly vnid: number };

/**
 * An NVE of the figure: the client with its tables, and the parts of an agent that the demo needs. It connects to the NVA, hosts
 * tenant systems, and reports on request what it has applied.
 */
export class NveAgent {
  readonly nveId: string;
  readonly client: NveClient;
  readonly incarnation: number;
  readonly #figure: FigureNve;
  readonly #api: NvaApi;
  readonly #transport: FeedTransport;
  readonly #differences = new Map<string, TableDifference>();

  constructor(figure: FigureNve, api: NvaApi, kafka: KafkaPlace | null, incarnation: number, hosted: Iterable<LocalAttachment> = []) {
    this.nveId = figure.nveId;
    this.incarnation = incarnation;
    this.#figure = figure;
    this.#api = api;
    this.#transport = kafka ? new KafkaFeedTransport({ ...kafka, nveId: figure.nveId }) : new SseTransport({ baseUrl: api.baseUrl });
    this.client = new NveClient({ nveId: figure.nveId, transport: this.#transport, localAttachments: hosted });
    this.client.on('change', ({ vnid, changes }) => {
      for (const change of changes) this.#collect({ ...change, vnid });
    });
  }

  /** Sends the connect notification. With a lease the NVA expects heartbeats. */
  connect(leaseS?: number): Promise<Answer> {
    const { nveId, siteId, mac, addresses } = this.#figure;
    return this.#api.write('PUT', `/v1/nves/${nveId}`, {
      siteId,
      mac,
      addresses,
      incarnation: this.incarnation,
      ...(leaseS === undefined ? {} : { leaseS }),
    });
  }

  /** Begins to follow the NVE's feeds; the NVA must know the NVE by then. */
  follow(): void {
    this.client.start();
  }

  heartbeat(): Promise<unknown> {
    return this.#api.heartbeat(this.nveId, this.incarnation, this.client.applied());
  }

  /** The differences in its tables since the last call: context, then members, then mappings. */
  takeDifferences(): TableDifference[] {
    const all = [...this.#differences.values()].filter(({ before, after }) => !sameValue(before, after));
    this.#differences.clear();
    return all.sort(
      (a, b) =>
        a.vnid - b.vnid || rankInChange(a.key, false) - rankInChange(b.key, false) || a.key.localeCompare(b.key, 'en', { numeric: true }),
    );
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.#transport.close();
  }

  /** The difference of a step consists of the first «before» and the last «after» of a key. */
  #collect(change: TableDifference): void {
    const name = `${change.vnid} ${change.key}`;
    const earlier = this.#differences.get(name);
    this.#differences.set(name, earlier ? ({ ...change, before: earlier.before } as TableDifference) : change);
  }
}
