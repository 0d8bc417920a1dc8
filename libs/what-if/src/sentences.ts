import type { WhatIf } from './what-if.ts';

const NAMED = 3;

const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
const named = (all: readonly string[]): string => all.slice(0, NAMED).join(', ') + (all.length > NAMED ? ' and others' : '');

/** What would come of the steps, as sentences for an operator. */
export function whatIfSentences({ steps, feeds, nves, pairs, conflicts, bounds }: WhatIf): readonly string[] {
  const events = steps.reduce((sum, step) => sum + step.events.length, 0);
  const refused = steps.flatMap(({ outcome }, i) =>
    outcome && 'refusal' in outcome ? [`Step ${i + 1}, ${steps[i]!.name}, would be refused: ${outcome.refusal.message}.`] : [],
  );
  const swept = steps.flatMap(({ swept: count, name }, i) =>
    count?.refused
      ? [
          `Step ${i + 1}, ${name}, would leave ${counted(count.remaining, 'tenant system')}: ${count.refused.tsId} for one, since ${count.refused.refusal.message}.`,
        ]
      : [],
  );
  const notes = steps.flatMap(({ note }) => (note === null ? [] : [`${note.charAt(0).toUpperCase()}${note.slice(1)}.`]));
  const untold = feeds.filter(({ told }) => !told).length;
  const lost = pairs.lost.first[0];
  const gained = pairs.gained.first[0];
  return [
    `${counted(steps.length, 'step')} would be recorded as ${counted(events, 'event')}${feeds.length === 0 ? ', and would change no table' : ''}.`,
    ...refused,
    ...swept,
    ...notes,
    ...nves
      .filter(({ gained: more, lost: less }) => more + less > 0)
      .slice(0, NAMED * 3)
      .map(
        ({ nveId, gained: more, lost: less, left, joined }) =>
          `${nveId} would gain ${counted(more, 'entry', 'entries')} and lose ${less}` +
          `${joined.length > 0 ? `; it would come into VN ${named(joined.map(String))}` : ''}${left.length > 0 ? `; it would leave VN ${named(left.map(String))}` : ''}.`,
      ),
    ...(lost
      ? [
          `${counted(pairs.lost.count, 'pair')} of tenant systems would no longer reach each other, such as ${lost.a} and ${lost.b} in VN ${lost.vnid}.`,
        ]
      : []),
    ...(gained
      ? [
          `${counted(pairs.gained.count, 'pair')} of tenant systems would come to reach each other, such as ${gained.a} and ${gained.b} in VN ${gained.vnid}.`,
        ]
      : []),
    ...conflicts.appeared
      .slice(0, NAMED)
      .map(({ tsId, vnid, address, heldBy }) => `${tsId} would not get ${address} in VN ${vnid}: ${heldBy} holds it.`),
    ...(untold > 0 ? [`Of ${counted(untold, 'feed')}, something would not be published, and NVEs would not learn it.`] : []),
    ...(bounds.size > 0 ? [`This is not all: a bound was met (${[...bounds].join(', ')}).`] : []),
  ];
}
