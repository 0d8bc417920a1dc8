import type { Audit, NvaEvent } from '@nva/codec';
import {
  decide,
  decidePassing,
  evolve,
  evolveTaker,
  tenantOfCommand,
  type Command,
  type PassAddress,
  type Passing,
  type TenantSystem,
} from '@nva/domain';
import type { Network } from '@nva/fold';
import { Refusal } from '@nva/identifiers';
import { factsFor, toldTo, type Caller } from './access.ts';
import type { Overlay, StreamState } from './overlay.ts';
import type { QuotaKeeper } from './quota-keeper.ts';
import type { Request } from './request.ts';

/**
 * Decides requests whose callers are authorized, on the fold and on everything that is decided but not folded yet, and within the
 * quotas. Throws Refusal in the form that the caller may see.
 */
export class Decisions {
  readonly #network: Network;
  readonly #overlay: Overlay;
  readonly #quotas: QuotaKeeper | null;

  constructor(network: Network, overlay: Overlay, quotas: QuotaKeeper | null) {
    this.#network = network;
    this.#overlay = overlay;
    this.#quotas = quotas;
  }

  /** null if there is nothing to record. */
  event(request: Request, stream: string, audit: Audit): NvaEvent | null {
    return told(request.caller, () => {
      const { state } = this.#overlay.stream(stream);
      const event = this.#decide(request, state, audit);
      if (event) this.#quotas?.check([state, evolve(state, event)]);
      return event;
    });
  }

  /** null if there is nothing to record. */
  passing({ command, caller }: Request, stream: string, toStream: string, audit: Audit): Passing | null {
    return told(caller, () => {
      const { state: holder, revision } = this.#overlay.stream(stream) as TenantSystemStanding;
      const { state: taker, revision: toRevision } = this.#overlay.stream(toStream) as TenantSystemStanding;
      const passing = decidePassing(
        command as PassAddress,
        { holder, revision, taker, toRevision },
        this.#facts(caller, taker?.tenantId ?? ''),
        audit,
      );
      if (passing) this.#quotas?.check([holder, evolve(holder, passing.passed)], [taker, evolveTaker(taker!, passing.passed)]);
      return passing;
    });
  }

  #decide({ command, caller }: Request, state: StreamState['state'], audit: Audit): NvaEvent | null {
    const tenantId = tenantOfCommand(command, state);
    return decide(
      command as Exclude<Command, PassAddress>,
      state,
      tenantId === null ? this.#overlay.facts : this.#facts(caller, tenantId),
      audit,
    );
  }

  readonly #facts = (caller: Caller, tenantId: string): ReturnType<typeof factsFor> =>
    factsFor(caller, tenantId, this.#overlay.facts, this.#isIn);

  /** Whether an NVE is in a VN. */
  readonly #isIn = (nveId: string, vnid: number): boolean => this.#network.vns.get(vnid)?.members.has(nveId) ?? false;
}

interface TenantSystemStanding {
  readonly state: TenantSystem | null;
  readonly revision: number;
}

/** Removes from a refusal what an NVE must not learn about other NVEs. */
function told<T>(caller: Caller, decided: () => T): T {
  try {
    return decided();
  } catch (error) {
    throw error instanceof Refusal ? toldTo(caller, error) : error;
  }
}
