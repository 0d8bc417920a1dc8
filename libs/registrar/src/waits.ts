import { randomUUID } from 'node:crypto';
import { isTenantSystemCommand, streamOf, takersName, type TenantSystem } from '@nva/domain';
import type { Network } from '@nva/fold';
import { Refusal, tsStream } from '@nva/identifiers';
import type { Clock, EventStore, Logger } from '@nva/ports';
import { actorOf } from './access.ts';
import type { Overlay } from './overlay.ts';
import type { Request } from './registrar.ts';

/**
 * Tenant systems that wait for what another registrar passes to them, or one that has died since. Of such a one the fold does not know whether
 * what it waits for is in the log already, at the same revision of its stream: whatever was decided on it could land on a state that it was not decided on. So an event
 * that ends the waiting goes first. Once that is folded, it is known which came first.
 */
export class Waits {
  readonly #store: EventStore;
  readonly #network: Network;
  readonly #overlay: Overlay;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(store: EventStore, network: Network, overlay: Overlay, clock: Clock, logger: Logger) {
    this.#store = store;
    this.#network = network;
    this.#overlay = overlay;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The streams of those that these requests are about; nearly always none. What this process passes itself is on its way, and does not count. */
  of(requests: readonly Request[]): readonly string[] {
    if (this.#network.awaiting.size === 0) return [];
    const streams = new Set(requests.flatMap((request) => this.#streamsOf(request)));
    return [...streams].filter((stream) => (this.#overlay.stream(stream).state as TenantSystem | null)?.awaits);
  }

  /** Another writer of a stream may come first, which ends it as well. */
  async end(streams: readonly string[]): Promise<void> {
    const audit = { recordedAt: this.#clock.wallMs(), actor: actorOf({ kind: 'system', part: 'registrar' }), correlationId: 'waits-no-more', idempotencyKey: null, requestDigest: null };
    const appends = streams.map((stream) => {
      const { state, revision } = this.#overlay.stream(stream);
      const { tsId } = state as TenantSystem;
      return { stream, expectedRevision: revision, events: [{ id: randomUUID(), event: { type: 'AddressAwaited', data: { audit, tsId, from: null, revision: 0 } } as const }] };
    });
    await this.#store.append(appends).catch((cause: unknown) => this.#logger.error('the event log did not take an append', { err: cause, commands: appends.length }));
  }

  #streamsOf({ command, caller }: Request): readonly string[] {
    if (!isTenantSystemCommand(command)) return [];
    const nveId = caller.kind === 'nve' ? caller.nveId : undefined;
    try {
      return [streamOf(command, this.#overlay, nveId), ...(command.type === 'passAddress' ? [tsStream(takersName(command, this.#overlay, nveId))] : [])];
    } catch (error) {
      if (error instanceof Refusal) return [];
      throw error;
    }
  }
}
