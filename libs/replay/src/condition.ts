import type { Mapping, NvaEvent } from '@nva/codec';
import type { RecordChange } from '@nva/fold';
import { numeral, parseIp, parseMac, parseNveId, parseTsId, parseVnid, Refusal } from '@nva/identifiers';
import { feedKey, type RecordedEvent } from '@nva/ports';

/** What happens to a record that a condition waits for. */
export type Verb = 'changes' | 'appears' | 'disappears';

/** What a replay ends at: the first event of which all of it is true. */
export interface Wanted {
  readonly type?: string;
  readonly actor?: string;
  readonly vnid?: number;
  readonly nveId?: string;
  readonly tsId?: string;
  readonly ip?: string;
  readonly mac?: string;
  /** null: nothing needs to happen to a record; the event alone decides. */
  readonly verb: Verb | null;
}

const VERBS: readonly string[] = ['changes', 'appears', 'disappears'];
const READERS: Readonly<Record<string, (text: string) => string | number>> = {
  type: (text) => text,
  actor: (text) => text,
  vnid: (text) => parseVnid(numeral(text)),
  nveId: (text) => parseNveId(text),
  tsId: (text) => parseTsId(text),
  ip: (text) => parseIp(text),
  mac: (text) => parseMac(text),
};
/** Fields that only a record has. */
const OF_RECORDS = ['vnid', 'ip', 'mac'] as const;

/**
 * Reads a condition: words with spaces between, each `<field>=<value>` or a verb, such as `vnid=100 ip=192.0.2.1 changes`. Without a verb,
 * a VN or an address `changes`; tenant systems and NVEs alone are met by any event of theirs. Throws Refusal.
 */
export function readCondition(text: string): Wanted {
  const wanted: Record<string, string | number> = {};
  let verb: Verb | null = null;
  const words = text.split(/\s+/).filter((word) => word !== '');
  for (const word of words) {
    if (VERBS.includes(word)) {
      if (verb !== null) throw wrong(`«${verb}» and «${word}» are two things that happen`, word);
      verb = word as Verb;
      continue;
    }
    const [name, ...rest] = word.split('=');
    const value = rest.join('=');
    if (!Object.hasOwn(READERS, name!) || value === '')
      throw wrong(`a condition has ${Object.keys(READERS).join('=, ')}=, ${VERBS.join(', ')}`, word);
    if (wanted[name!] !== undefined) throw wrong(`${name} is there twice`, word);
    wanted[name!] = READERS[name!]!(value);
  }
  if (words.length === 0) throw wrong('a condition says something', text);
  if (verb === null && OF_RECORDS.some((name) => wanted[name] !== undefined)) verb = 'changes';
  return { ...wanted, verb };
}

const wrong = (message: string, received: string): Refusal => new Refusal('out-of-range', message, { field: 'until', received });

/** Tells which event meets a condition. It is shown every event of a log, in order. */
export class Condition {
  readonly #wanted: Wanted;
  /** The last values of mappings, by feed and key: what a removal removes is not in the change. */
  readonly #mappings = new Map<string, Mapping>();

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  isMetBy({ event, stream }: RecordedEvent, changes: readonly RecordChange[]): boolean {
    const { type, actor, verb, tsId, nveId } = this.#wanted;
    const met = changes.filter((change) => this.#meets(change)).length > 0;
    if (type !== undefined && event.type !== type) return false;
    if (actor !== undefined && event.data.audit.actor !== actor) return false;
    if (verb !== null) return met;
    if (tsId !== undefined && idIn(event, 'tsId') !== tsId) return false;
    return nveId === undefined || idIn(event, 'nveId') === nveId || stream === `nve-${nveId}`;
  }

  #meets({ feed, key, value, previous }: RecordChange): boolean {
    const { vnid, ip, mac, tsId, nveId, verb } = this.#wanted;
    if (verb === null) return false;
    const place = `${feedKey(feed)} ${key}`;
    const before = this.#mappings.get(place) ?? null;
    const after = value?.type === 'Mapping' ? value.data : null;
    if (after) this.#mappings.set(place, structuredClone(after));
    else this.#mappings.delete(place);
    if (vnid !== undefined && (feed.kind !== 'vn' || feed.vnid !== vnid)) return false;
    if (verb === 'appears' && (previous !== null || value === null)) return false;
    if (verb === 'disappears' && value !== null) return false;
    const either = (test: (mapping: Mapping) => boolean): boolean => [before, after].some((mapping) => mapping !== null && test(mapping));
    if (ip !== undefined && !either((mapping) => mapping.ip === ip)) return false;
    if (mac !== undefined && !either((mapping) => mapping.mac === mac)) return false;
    if (tsId !== undefined && !either((mapping) => mapping.tsId === tsId)) return false;
    return (
      nveId === undefined ||
      key === `member/${nveId}` ||
      (feed.kind === 'nve' && feed.nveId === nveId) ||
      either((mapping) => mapping.attachments.some((attachment) => attachment.nveId === nveId))
    );
  }
}

const idIn = ({ data }: NvaEvent, field: 'tsId' | 'nveId'): string | undefined => {
  const own = (data as unknown as Readonly<Record<string, unknown>>)[field];
  const attachment = (data as { readonly attachment?: { readonly nveId: string } }).attachment;
  return typeof own === 'string' ? own : field === 'nveId' ? attachment?.nveId : undefined;
};
