import type { TenantSystem } from '@nva/domain';
import type { Clock, EventStore, Ids, Logger } from '@nva/ports';
import { actorOf } from './access.ts';
import type { Overlay } from './overlay.ts';

/**
 * Tenant systems that wait for a passing of another registrar, which may have died since. The fold cannot know whether the
 * passing is in the log already: the tenant system's stream has the same revision in both cases. So a decision on it could land
 * on a state that it was not decided on. Therefore an event that ends the waiting is appended first. Once that is folded, it is
 * known which came first.
 */
export class Waits {
  readonly #store: EventStore;
  readonly #overlay: Overlay;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #logger: Logger;

  constructor(
    store: EventStore,
    overlay: Overlay,
    { clock, ids, logger }: { readonly clock: Clock; readonly ids: Ids; readonly logger: Logger },
  ) {
    this.#store = store;
    this.#overlay = overlay;
    this.#clock = clock;
    this.#ids = ids;
    this.#logger = logger;
  }

  /** Whether the tenant system of a stream waits. A passing of this process is on its way, and does not count. */
  has(stream: string): boolean {
    const awaits = (this.#overlay.stream(stream).state as Partial<TenantSystem> | null)?.awaits;
    return awaits !== null && awaits !== undefined;
  }

  /**
   * Ends the waiting by an event. If another writer of the stream comes first, that ends the waiting as well. If the append
   * fails, the tenant system still waits.
   */
  async end(streams: readonly string[]): Promise<void> {
    const audit = {
      recordedAt: this.#clock.wallMs(),
      actor: actorOf({ kind: 'system', part: 'registrar' }),
      correlationId: 'waits-no-more',
      idempotencyKey: null,
      requestDigest: null,
    };
    const appends = [...new Set(streams)]
      .filter((stream) => this.has(stream))
      .map((stream) => {
        const { state, revision } = this.#overlay.stream(stream);
        const { tsId } = state as TenantSystem;
        return {
          stream,
          expectedRevision: revision,
          events: [{ id: this.#ids.uuid(), event: { type: 'AddressAwaited', data: { audit, tsId, from: null, revision: 0 } } as const }],
        };
      });
    if (appends.length > 0)
      await this.#store
        .append(appends)
        .catch((cause: unknown) => this.#logger.error('the event log did not take an append', { err: cause, commands: appends.length }));
  }
}
