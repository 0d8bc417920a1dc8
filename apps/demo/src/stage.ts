import type { LocalAttachment } from '@nva/nve';
import { until } from '@nva/processes';
import { FigureIndex, type Figure, type FigureBinding, type FigureTs } from './figure.ts';
import { NvaApi, Problem, type Answer } from './nva-api.ts';
import type { KafkaPlace } from './nva-process.ts';
import { NveAgent } from './nve-agent.ts';

/** The lease of one second, the time until its owner lets it lapse, and a margin for a busy machine. */
const LAPSE_TIMEOUT_MS = 120_000;

export interface StageOptions {
  readonly figure: Figure;
  readonly baseUrl: string;
  /** The process that answers queries, if it is another one. */
  readonly queriesUrl?: string;
  /** The brokers of the feeds; null if the feeds come as Server-Sent Events. */
  readonly kafka: KafkaPlace | null;
}

/** The present state of a tenant system, which may differ from the figure. */
type Standing = Pick<FigureTs, 'tsId' | 'mac' | 'logicalInterface' | 'bindings'>;

/**
 * The figure on a running NVA: an agent for each running NVE, and the state of every tenant system at its NVE. An event of a
 * tenant system happens first at its NVE, which then tells the NVA (R33).
 */
export class Stage {
  readonly names: FigureIndex;
  readonly api: NvaApi;
  readonly #kafka: KafkaPlace | null;
  readonly #agents = new Map<string, NveAgent>();
  /** The attachments of an NVE that is down: its VMs continue to run. */
  readonly #orphans = new Map<string, readonly LocalAttachment[]>();
  readonly #systems = new Map<string, Standing>();
  readonly #notes: string[] = [];
  #position = 0;

  constructor({ figure, baseUrl, queriesUrl, kafka }: StageOptions) {
    this.names = new FigureIndex(figure);
    this.api = new NvaApi(baseUrl, queriesUrl);
    this.#kafka = kafka;
  }

  /** The running NVEs, by id. */
  get agents(): readonly NveAgent[] {
    return [...this.#agents.values()].sort((a, b) => (a.nveId < b.nveId ? -1 : 1));
  }

  /** The newest position in the answer to a write. */
  get position(): number {
    return this.#position;
  }

  agent(nveId: string): NveAgent {
    const agent = this.#agents.get(nveId);
    if (!agent) throw new Error(`${nveId} is down`);
    return agent;
  }

  /** Returns and clears the notes, which tell what the tables do not show. */
  takeNotes(): string[] {
    return this.#notes.splice(0);
  }

  async connect(nveId: string, incarnation = 1): Promise<void> {
    const agent = new NveAgent(this.names.nve(nveId), this.api, this.#kafka, incarnation, this.#orphans.get(nveId));
    this.#agents.set(nveId, agent);
    this.#orphans.delete(nveId);
    this.#passed(await agent.connect());
    agent.follow();
  }

  /** The NVE's process dies: it follows no feed any more, and its short lease lapses. */
  async fail(nveId: string): Promise<void> {
    const agent = this.agent(nveId);
    this.#passed(await agent.connect(1));
    this.#agents.delete(nveId);
    this.#orphans.set(nveId, [...agent.client.localAttachments.values()]);
    await agent.close();
    await until(
      `The lease of ${nveId} lapses`,
      async () => ((await this.api.nve(nveId)).reachable ? 'it is still reachable' : null),
      LAPSE_TIMEOUT_MS,
    );
    this.note(`${nveId} has sent no heartbeat for the second that its lease lasts`);
  }

  /** The NVE starts again. It knows only the VMs on its server. */
  restart(nveId: string): Promise<void> {
    return this.connect(nveId, 2);
  }

  async createVn(name: string): Promise<void> {
    const { vnid, service, encapsulation } = this.names.vn(name);
    await this.#write('PUT', `/v1/vns/${vnid}`, { tenantId: this.names.figure.tenantId, name, service, encapsulation });
  }

  /** A tenant system appears at an NVE, for the first time or from another NVE. */
  async arrive(tsId: string, nveId: string): Promise<void> {
    const ts = this.#systems.get(tsId) ?? this.names.ts(tsId);
    this.#systems.set(tsId, ts);
    for (const agent of this.agents) if (agent.client.localAttachments.has(tsId)) agent.client.detachLocal(tsId);
    this.#host(nveId, ts);
    await this.#attach(ts, nveId, this.names.figure.tenantId);
  }

  /** A tenant system leaves its NVE and does not come back. */
  async depart(tsId: string, nveId: string): Promise<void> {
    this.agent(nveId).client.detachLocal(tsId);
    await this.#write('DELETE', `/v1/nves/${nveId}/tenant-systems/${tsId}`);
  }

  async changeMac(tsId: string, nveId: string, mac: string): Promise<void> {
    this.#host(nveId, { ...this.#standing(tsId), mac });
    await this.#write('PUT', `/v1/tenant-systems/${tsId}/mac`, { mac });
  }

  /** Several bindings in one request, all or nothing; a binding that exists with the same address gets its BID (R19, R20). */
  async register(tsId: string, nveId: string, bindings: readonly FigureBinding[]): Promise<void> {
    this.#host(nveId, { ...this.#standing(tsId), bindings });
    await this.#write('POST', `/v1/tenant-systems/${tsId}/bindings`, { bindings: this.#lines(bindings) });
  }

  /** The tenant system loses its connection to its NVE, which can no longer deliver to it. */
  async loseConnection(tsId: string, nveId: string): Promise<void> {
    this.agent(nveId).client.detachLocal(tsId);
    await this.#write('POST', `/v1/tenant-systems/${tsId}/connection-failure`, { nveId });
  }

  /** Makes a request that the NVA must refuse. */
  async refused(what: string, code: string, request: () => Promise<unknown>): Promise<void> {
    const problem = await request().then(
      () => null,
      (cause: unknown) => cause,
    );
    if (!(problem instanceof Problem)) throw problem ?? new Error(`${what}: the NVA took it, and should refuse it with ${code}`);
    if (problem.code !== code) throw new Error(`${what}: refused with ${problem.code}, and should be with ${code}`, { cause: problem });
    this.note(`${what}: refused, ${problem.status} ${problem.code}${problem.row === null ? '' : ` (${problem.row})`}`);
  }

  /** Attaches a tenant system of the figure as if it were another tenant's. */
  attachAs(tenantId: string, ts: Standing, nveId: string): Promise<void> {
    return this.#attach(ts, nveId, tenantId);
  }

  /** Adds one binding to the existing ones. */
  async addBinding(tsId: string, binding: FigureBinding): Promise<void> {
    await this.#write('POST', `/v1/tenant-systems/${tsId}/bindings`, { bindings: this.#lines([binding]) });
  }

  note(text: string): void {
    this.#notes.push(text);
  }

  async close(): Promise<void> {
    await Promise.all(this.agents.map((agent) => agent.close()));
  }

  #standing(tsId: string): Standing {
    return this.#systems.get(tsId) ?? this.names.ts(tsId);
  }

  #host(nveId: string, ts: Standing): void {
    this.#systems.set(ts.tsId, ts);
    const bindings = ts.bindings.map(({ vn, vlan, ip }) => ({ vnid: this.names.vn(vn).vnid, vlan: vlan ?? null, ip: ip ?? null }));
    this.agent(nveId).client.attachLocal({ tsId: ts.tsId, mac: ts.mac, state: 'activated', bindings });
  }

  async #attach({ tsId, mac, logicalInterface, bindings }: Standing, nveId: string, tenantId: string): Promise<void> {
    await this.#write('PUT', `/v1/nves/${nveId}/tenant-systems/${tsId}`, {
      tenantId,
      vmId: tsId,
      mac,
      logicalInterface,
      bindings: this.#lines(bindings),
    });
  }

  #lines(bindings: readonly FigureBinding[]): readonly object[] {
    return bindings.map(({ vn, ...line }) => ({ ...line, vnid: this.names.vn(vn).vnid }));
  }

  async #write(method: 'PUT' | 'POST' | 'DELETE', path: string, body?: object): Promise<void> {
    const answer = await this.api.write(method, path, body);
    if (!answer.effective) throw new Error(`${method} ${path} was recorded and is not effective`);
    this.#passed(answer);
  }

  #passed({ position }: Answer): void {
    this.#position = Math.max(this.#position, Number(position));
  }
}
