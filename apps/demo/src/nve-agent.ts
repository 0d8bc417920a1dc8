import { rankInChange } from '@nva/codec';
import { NveClient, SseTransport, sameValue, type LocalAttachment, type TableChange } from '@nva/nve';
import { KafkaFeedTransport } from '@nva/kafka';
import type { FeedTransport } from '@nva/ports';
import type { FigureNve } from './figure.ts';
import type { Answer, NvaApi } from './nva-api.ts';
import type { KafkaPlace } from './nva-process.ts';

/** One key of one VN's table that is another at the end of a step than it was at its start. */
export type TableDifference = TableChange & { readonly vnid: number };

/**
 * An NVE of the figure: the client that holds its tables, and of the agent around it as much as a play needs. It tells the NVA that it is
 * there, hosts tenant systems, and reports what it has applied when it is asked to.
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

  /** Connect notification. With a lease the NVA wants heartbeats. */
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

  /** Begins to follow its feeds; the NVA knows it by now. */
  follow(): void {
    this.client.start();
  }

  heartbeat(): Promise<unknown> {
    return this.#api.heartbeat(this.nveId, this.incarnation, this.client.applied());
  }

  /** What has become different in its tables since it was asked last: context, then members, then mappings. */
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

  /** The first «before» of a key and the last «after» are what a step made different. */
  #collect(change: TableDifference): void {
    const name = `${change.vnid} ${change.key}`;
    const earlier = this.#differences.get(name);
    this.#differences.set(name, earlier ? ({ ...change, before: earlier.before } as TableDifference) : change);
  }
}
