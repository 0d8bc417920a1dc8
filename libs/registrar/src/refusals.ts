import { Refusal } from '@nva/identifiers';
import type { EventStore } from '@nva/ports';

/** The message does not contain the stream's name, which could reveal that another tenant used the id first. */
export function checkRevision(revision: number, ifRevision: number | undefined): void {
  if (ifRevision === undefined || ifRevision === revision) return;
  const message = `the command is meant for revision ${ifRevision}, and what it is about is at ${revision}`;
  throw new Refusal('revision-mismatch', message, {
    field: 'ifRevision',
    received: ifRevision,
    expected: ifRevision,
    actual: revision,
    row: 'X9',
  });
}

export const overloaded = (): Refusal => new Refusal('overloaded', 'too many commands are on their way');
/** States that the command may have been recorded, and whether the event store has no leader. */
export function outcomeUnknown({ leader }: Pick<EventStore, 'leader'>): Refusal {
  const waits = leader?.node === null ? `: the event store has had no leader for ${Math.ceil(leader.forMs / 1_000)} s` : '';
  return new Refusal('outcome-unknown', `whether the command was recorded is not known yet${waits}; sending it again tells`);
}
