import type { Audit, NvaEvent } from '@nva/codec';
import {
  decide,
  decidePassing,
  evolve,
  evolveTaker,
  isTenantSystemCommand,
  streamOf,
  takersName,
  tenantOfCommand,
  type Command,
  type PassAddress,
  type Passing,
  type TenantSystem,
} from '@nva/domain';
import type { Network } from '@nva/fold';
import { Refusal, tsStream } from '@nva/identifiers';
import { authorize, factsFor, toldTo, type Caller } from './access.ts';
import type { Overlay, StreamState } from './overlay.ts';
import type { QuotaKeeper } from './quota-keeper.ts';
import { checkRevision } from './refusals.ts';
import type { Request } from './request.ts';

/** The stream that a command's event goes to, and for a passing, that of the taker. */
export interface Target {
  readonly stream: string;
  readonly toStream: string | null;
}

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

  /** Refuses what the caller may not do, and a command that is meant for another revision. Throws Refusal. */
  target({ command, caller, ifRevision }: Request): Target {
    const nveId = caller.kind === 'nve' ? caller.nveId : undefined;
    // A caller that acts for the taker may ask for a passing, and learns about the holder only then.
    const toStream = command.type === 'passAddress' ? tsStream(takersName(command, this.#overlay, nveId)) : null;
    if (toStream !== null) authorize(caller, command, this.#overlay.stream(toStream).state as TenantSystem | null);
    const stream = streamOf(command, this.#overlay, nveId);
    const { state, revision } = this.#overlay.stream(stream);
    if (toStream === null) authorize(caller, command, isTenantSystemCommand(command) ? (state as TenantSystem | null) : null);
    checkRevision(revision, ifRevision);
    return { stream, toStream };
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
