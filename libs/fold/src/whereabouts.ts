import type { TenantSystem } from '@nva/domain';
import type { FoldedTs } from './model.ts';
import { KeptOrder } from './ordered.ts';

type Attachments = TenantSystem['attachments'];

/** By id, then by tenant. */
function byIdAndTenant({ state: a }: FoldedTs, { state: b }: FoldedTs): number {
  if (a.tsId !== b.tsId) return a.tsId < b.tsId ? -1 : 1;
  return a.tenantId < b.tenantId ? -1 : a.tenantId > b.tenantId ? 1 : 0;
}

interface Host {
  readonly here: Set<FoldedTs>;
  /** Created when somebody first asks for this NVE. */
  order: KeptOrder<FoldedTs> | null;
}

/**
 * Finds tenant systems by where they are attached, in the order of their ids. No table shows this, since a tenant system without
 * bindings is in none. Nothing is kept until somebody asks; then all tenant systems are taken in, in steps, and changes are
 * reported from the start. The tenant systems at an NVE are sorted when somebody asks for that NVE: sorting a million for all
 * NVEs would take some ten seconds.
 *
 * Why not one set for each NVE from the first event on: for a million tenant systems this costs some 20 MB and a part of every
 * replay, and few processes are ever asked.
 */
export class Whereabouts {
  readonly #all: ReadonlyMap<string, FoldedTs>;
  #everyone: KeptOrder<FoldedTs> | null = null;
  #hosts: Map<string, Host> | null = null;
  #unread: Iterator<FoldedTs> | null = null;

  constructor(all: ReadonlyMap<string, FoldedTs>) {
    this.#all = all;
  }

  /** All tenant systems, also detached ones. */
  get everyone(): KeptOrder<FoldedTs> {
    return (this.#everyone ??= new KeptOrder(this.#all.values(), byIdAndTenant));
  }

  /** Takes in up to `max` tenant systems. Returns true once `at` is complete. */
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

  /** The tenant systems attached at an NVE. Only after `prepare` has returned true. */
  at(nveId: string): KeptOrder<FoldedTs> {
    const host = this.#host(nveId);
    return (host.order ??= new KeptOrder(host.here.values(), byIdAndTenant));
  }

  /** To be called for every new tenant system, and for every change of where one is attached. */
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
