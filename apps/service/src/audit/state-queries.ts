import { parseNveId, Refusal } from '@nva/identifiers';
import type { QuotaKeeper } from '@nva/registrar';
import { Visibility } from '../access/visibility.ts';
import type { IdentityRate } from '../config/alarms.ts';
import type { AppliedLookup } from '../core/applied-lookup.ts';
import { pageQuery } from '../reads/paging.ts';
import { QUERIES, type Asked, type Query, type QueryName } from '../reads/queries.ts';
import type { Reads } from '../reads/reads.ts';
import type { World } from '../reads/world.ts';
import type { Asker } from './asker.ts';
import type { Audit } from './audit.ts';
import { readAt } from './questions.ts';

export interface StateQueriesOptions {
  readonly reads: Reads;
  readonly applied: AppliedLookup;
  readonly quotas: QuotaKeeper;
  readonly identityRate: IdentityRate;
  /** null if this process keeps no history. */
  readonly audit: Audit | null;
}

/** Answers the queries about the state of the network: as it is, or with `at`, as it was. */
export class StateQueries {
  readonly #options: StateQueriesOptions;

  constructor(options: StateQueriesOptions) {
    this.#options = options;
  }

  /** The answer as JSON. Rejects with a Refusal. */
  async answer(name: QueryName, { query: { at, ...query }, ...rest }: Asked, asker: Asker): Promise<string> {
    const { reads, audit } = this.#options;
    const asked = { ...rest, query };
    if (at !== undefined) {
      if (!audit)
        throw new Refusal('unknown-field', 'this process keeps no history (HISTORY), and answers for now only', {
          field: 'at',
          received: at,
        });
      return audit.ask({ kind: 'query', name, asked, at: readAt(at), head: reads.network.position }, asker);
    }
    const world = await this.#world(name, asked, asker.authorization);
    return reads.inTurns(asked.caller, (QUERIES[name] as Query)(world, asked));
  }

  async #world(name: QueryName, asked: Asked, authorization: string | undefined): Promise<World> {
    const { reads, quotas, identityRate } = this.#options;
    const applied = await this.#applied(name, asked, authorization);
    const { network, digests, clock } = reads;
    return { network, digests, quotas, identityRate, wallMs: () => clock.wallMs(), applied };
  }

  /** Other processes are asked only for callers that may see the answer; they are shown `authorization`. */
  async #applied(name: QueryName, { path, query, caller }: Asked, authorization: string | undefined): Promise<World['applied']> {
    const visible = new Visibility(this.#options.reads.network, caller);
    switch (name) {
      case 'nves': {
        visible.operator();
        const { after = '', limit } = pageQuery(query);
        return this.#options.applied.ofAll(after, limit, authorization);
      }
      case 'nve': {
        const nveId = parseNveId(path['nveId']);
        visible.nve(nveId);
        const applied = await this.#options.applied.of(nveId, authorization);
        return (_, vnid) => applied.get(vnid) ?? null;
      }
      default:
        return () => null;
    }
  }
}
