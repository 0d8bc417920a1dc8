import type { TenantSystem } from '@nva/domain';
import type { Clock, EventStore, Ids, Logger } from '@nva/ports';
import { actorOf } from './access.ts';
import type { Overlay } from './overlay.ts';

/**
 * Tenant systems that wait for what another registrar passes to them, or one that has died since. Of such a one the fold does not
 * know whether what it waits for is in the log already, at the same revision of its stream: whatever was decided on it could land
 * on a state that it was not decided on. So an event that ends the waiting goes first. Once that is folded, it is known which came
 * first.
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

  /** Whether the tenant system of a stream waits. What this process passes to it itself is on its way, and does not count. */
  has(stream: string): boolean {
    const awaits = (this.#overlay.stream(stream).state as Partial<TenantSystem> | null)?.awaits;
    return awaits !== null && awaits !== undefined;
  }

  /** Another writer of a stream may come first, which ends it as well. What fails leaves it as it is. */
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
