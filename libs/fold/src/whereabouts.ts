import type { TenantSystem } from '@nva/domain';
import type { FoldedTs } from './model.ts';
import { KeptOrder } from './ordered.ts';

type Attachments = TenantSystem['attachments'];

/** By id, and those of one id by tenant. */
function byIdAndTenant({ state: a }: FoldedTs, { state: b }: FoldedTs): number {
  if (a.tsId !== b.tsId) return a.tsId < b.tsId ? -1 : 1;
  return a.tenantId < b.tenantId ? -1 : a.tenantId > b.tenantId ? 1 : 0;
}

interface Host {
  readonly here: Set<FoldedTs>;
  /** Once somebody has asked for what is at this one. */
  order: KeptOrder<FoldedTs> | null;
}

/**
 * Finds tenant systems by where they are attached, in the order of their ids: what no table shows, since one without bindings is in
 * none. Nothing is kept until somebody asks; then every tenant system is taken in bit by bit, while what changes is told from the
 * start. What is at an NVE is put in order when that NVE is asked for: of a million tenant systems it would take some ten seconds
 * for all.
 *
 * Why not one set for each NVE from the first event on: of a million it costs some 20 MB, and a part of every replay, for a
 * question that few processes are ever asked.
 */
export class Whereabouts {
  readonly #all: ReadonlyMap<string, FoldedTs>;
  #everyone: KeptOrder<FoldedTs> | null = null;
  #hosts: Map<string, Host> | null = null;
  #unread: Iterator<FoldedTs> | null = null;

  constructor(all: ReadonlyMap<string, FoldedTs>) {
    this.#all = all;
  }

  /** Every tenant system, detached ones too. */
  get everyone(): KeptOrder<FoldedTs> {
    return (this.#everyone ??= new KeptOrder(this.#all.values(), byIdAndTenant));
  }

  /** Takes in up to `max` tenant systems. True once `at` tells everything. */
  prepare(max: number): boolean {
    if (!this.#hosts) {
      this.#hosts = new Map();
      this.#unread = this.#all.values();
    }
    for (let taken = 0; this.#unread && taken < max; taken++) {
      const { value, done } = this.#unread.next();
      if (done) this.#unread = null;
      else for (const { nveId } of value.state.attachments) this.#host(nveId).here.add(value);
    }
    return this.#unread === null;
  }

  /** What is attached at an NVE. To be asked after `prepare`. */
  at(nveId: string): KeptOrder<FoldedTs> {
    const host = this.#host(nveId);
    return (host.order ??= new KeptOrder(host.here.values(), byIdAndTenant));
  }

  /** To be told of every tenant system that is new, and of every change of where one is. */
  moved(ts: FoldedTs, before: Attachments | null): void {
    if (before === null) this.#everyone?.add(ts);
    const after = ts.state.attachments;
    if (!this.#hosts || before === after) return;
    for (const { nveId } of before ?? []) {
      if (after.some((other) => other.nveId === nveId)) continue;
      const host = this.#host(nveId);
      host.here.delete(ts);
      host.order?.delete(ts);
    }
    for (const { nveId } of after) {
      const host = this.#host(nveId);
      host.here.add(ts);
      host.order?.add(ts);
    }
  }

  #host(nveId: string): Host {
    let host = this.#hosts?.get(nveId);
    if (!host) {
      host = { here: new Set(), order: null };
      this.#hosts?.set(nveId, host);
    }
    return host;
  }
}
