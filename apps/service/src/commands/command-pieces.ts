import { actorOf } from '@nva/registrar';
import type { CallersLine } from './lines.ts';

/** Maximum number of commands of one caller that are decided in one turn. */
export const COMMANDS_PER_TURN = 64;

/** Commands of one caller, by their index in a batch. */
export interface Piece {
  readonly caller: string;
  readonly places: number[];
}

/**
 * Divides a batch of commands of many callers into pieces, wave by wave. Each piece takes its own turn, and the pieces of a wave
 * need not wait for each other. A command about one or two tenant systems goes to a later wave if another caller sent an earlier
 * command about one of them. So these commands are decided in the order of their arrival; commands of one caller are in any case.
 */
export function* waves(lines: readonly CallersLine[]): Generator<readonly Piece[], void> {
  for (let left = [...lines.keys()]; left.length > 0;) {
    const senders = new Map<string, string>();
    const open = new Map<string, Piece>();
    const pieces: Piece[] = [];
    const later: number[] = [];
    for (const place of left) {
      const {
        parsed: { command },
        caller: sender,
      } = lines[place]!;
      const caller = actorOf(sender);
      const about = 'tsId' in command ? ('to' in command ? [command.tsId, command.to] : [command.tsId]) : [];
      if (about.some((tsId) => (senders.get(tsId) ?? caller) !== caller)) {
        // Every later command about these tenant systems waits for it too.
        for (const tsId of about) senders.set(tsId, '');
        later.push(place);
        continue;
      }
      for (const tsId of about) senders.set(tsId, caller);
      let piece = open.get(caller);
      if (!piece || piece.places.length === COMMANDS_PER_TURN) {
        piece = { caller, places: [] };
        open.set(caller, piece);
        pieces.push(piece);
      }
      piece.places.push(place);
    }
    yield pieces;
    left = later;
  }
}
