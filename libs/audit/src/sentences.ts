import type { Mapping } from '@nva/codec';
import type { Position, RecordedEvent } from '@nva/ports';
import type { Contribution, Explanation } from './explain.ts';
import { whatIsDone } from './words.ts';

const timeOf = ({ event }: RecordedEvent): string => new Date(event.data.audit.recordedAt).toISOString();
const places = ({ attachments }: Mapping): string => attachments.map(({ nveId }) => nveId).join(' and ');

/** Who did something, what, and when. */
const done = ({ event }: Pick<Contribution, 'event'>): string =>
  `${event.event.data.audit.actor} ${whatIsDone(event.event)} at ${timeOf(event)} (position ${event.position})`;

/** What an event gave, by the name of the part. */
function gave(part: string): string {
  const [kind, ...rest] = part.split(' ');
  const nveId = rest.at(-1);
  switch (kind) {
    case 'VN':
      return 'made the VN';
    case 'NVE':
      return `is the last that happened to NVE ${nveId}`;
    case 'attachment':
      return `put it at ${nveId}`;
    case 'removal':
      return 'took it away';
    case 'conflict':
      return 'came first';
    case 'entry':
      return 'brought the entry into the table';
    default:
      return `gave its ${part}`;
  }
}

/** An explanation as sentences: the first says it, those after it say how it came to that, the last ones what should be known besides. */
export function sentencesOf(explanation: Explanation): readonly string[] {
  const { chain, isPartial } = explanation;
  return [
    ...answer(explanation),
    ...chain.map((one) => `${done(one)}; this ${one.parts.map(gave).join(', ')}.`),
    ...notes(explanation),
    ...(isPartial ? ['More has happened than was looked at: earlier events may be missing here.'] : []),
  ];
}

function answer({ vnid, address, nveId, reason, entries, chain, tsId, conflict }: Explanation): readonly string[] {
  const name = 'mac' in address ? address.mac : address.ip;
  const by = (part: string): Contribution | undefined => chain.findLast(({ parts }) => parts.includes(part));
  const removal = by('removal');
  const nves = entries[0] && places(entries[0].mapping);
  switch (reason) {
    case 'distributed':
      return entries.map(
        ({ mapping, position }) =>
          `${name} in VN ${vnid} is ${mapping.tsId} (${mapping.mac}) at ${places(mapping)}, as it stands since ${since(chain, position)}.`,
      );
    case 'local':
      return [`${name} in VN ${vnid} is ${tsId}, which NVE ${nveId} has itself: it reaches it without a tunnel.`];
    case 'vn-never-created':
      return [`There has never been a VN ${vnid}, so nobody has ${name} in it.`];
    case 'vn-deleted':
      return [`VN ${vnid} is deleted, so nobody has ${name} in it.`];
    case 'nve-not-in-vn':
      return [
        `NVE ${nveId} is not in VN ${vnid}, so it is not told of ${name}, which is ${tsId} at ${nves}: it has no tenant system there${removal ? ' any more' : ''}.`,
      ];
    case 'never-registered':
      return [`Nobody has ever had ${name} in VN ${vnid}.`];
    case 'removed':
      return [`Nobody has ${name} in VN ${vnid}: the last one was ${tsId}, until ${removal ? done(removal) : 'it was removed'}.`];
    case 'duplicate':
      return [
        `${tsId} has registered ${name} in VN ${vnid}, and is held back: ${conflict!.heldBy} holds ${conflict!.address} there, and had it first (X2).`,
      ];
    case 'orphaned':
      return [
        `${tsId} had registered ${name} in an earlier VN ${vnid}, which was deleted: it is in the present one only once it registers again.`,
      ];
    case 'nve-forgotten':
      return [`${tsId} has registered ${name} in VN ${vnid}, and no NVE is known through which it is reached.`];
    case 'connection-failed':
      return [`${tsId} has registered ${name} in VN ${vnid}, and its NVE has reported that the VN cannot be reached through it (R56).`];
  }
}

function since(chain: readonly Contribution[], position: Position): string {
  const event = chain.find((one) => one.event.position === position)?.event;
  return event ? `${timeOf(event)} (position ${position})` : `position ${position}`;
}

function notes({ entries, members }: Explanation): readonly string[] {
  const associated = entries.flatMap(({ mapping }) =>
    mapping.attachments.filter(({ state }) => state === 'associated').map(({ nveId }) => [mapping.tsId, nveId] as const),
  );
  return [
    ...associated.map(
      ([id, nveId]) => `${id} is only associated at ${nveId}: it is in the tables, and ${nveId} does not forward for it yet (X5).`,
    ),
    ...members
      .filter(({ reachable }) => !reachable)
      .map(({ nveId }) => `NVE ${nveId} is not reachable; what is behind it stays in the tables and waits for its return (X6).`),
  ];
}
