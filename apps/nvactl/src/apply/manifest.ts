import { isObject, parseBody, type CommandName } from '@nva/commands';
import type { BindingLine } from '@nva/domain';
import { Refusal } from '@nva/identifiers';
import type { Policies } from '../api/answers.ts';
import { wrongUsage } from '../exit-codes.ts';
import { readDocuments, type ReadDocument } from './input.ts';

export interface DesiredVn {
  readonly vnid: number;
  readonly tenantId: string;
  readonly name: string;
  readonly service: string;
  readonly encapsulation: string;
  /** If absent, the policies stay as they are. */
  readonly context?: Policies;
}

export interface DesiredNve {
  readonly nveId: string;
  readonly siteId: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  /** If absent, they stay as they are. */
  readonly incarnation?: number;
  readonly leaseS?: number;
}

export interface DesiredAttachment {
  readonly nveId: string;
  readonly state: string;
  /** If absent, it stays as it is. */
  readonly logicalInterface?: string;
}

export interface DesiredTenantSystem {
  readonly tsId: string;
  readonly tenantId: string;
  readonly vmId: string;
  readonly mac: string;
  readonly attachments: readonly DesiredAttachment[];
  /** The whole set; if absent, the bindings stay as they are. */
  readonly bindings?: readonly BindingLine[];
}

/** What there should be. A list that no file has is null: nothing of that kind is pruned. */
export interface Manifest {
  readonly vns: readonly DesiredVn[] | null;
  readonly nves: readonly DesiredNve[] | null;
  readonly tenantSystems: readonly DesiredTenantSystem[] | null;
}

type Raw = Readonly<Record<string, unknown>>;

/** The most objects of all files together. */
export const MAX_OBJECTS = 1_000_000;
const LISTS = ['vns', 'nves', 'tenantSystems'] as const;

/** An item of a list, and where it stands. */
interface RawItem {
  readonly item: unknown;
  readonly file: string;
  readonly list: string;
  readonly index: number;
  readonly document: ReadDocument;
}

/**
 * Reads files of YAML or JSON into one manifest, by the NVA's own rules for each field, so that addresses are in the form in which
 * the NVA answers them. Throws a Failure that names the file, the line and the field.
 */
export function readManifest(files: readonly { readonly name: string; readonly text: string }[]): Manifest {
  const raw: Record<(typeof LISTS)[number], RawItem[] | null> = { vns: null, nves: null, tenantSystems: null };
  for (const { name, text } of files) {
    const file = name === '-' ? 'standard input' : name;
    for (const document of readDocuments(text, file)) {
      const { value } = document;
      const at = (...path: string[]): string => `${file}, line ${document.lineOf(path)}`;
      if (!isObject(value)) throw wrongUsage(`${at()}: a document is a map with ${LISTS.join(', ')}`);
      for (const [list, items] of Object.entries(value)) {
        if (!isList(list)) throw wrongUsage(`${at(list)}: there is no ${JSON.stringify(list)}; a document has ${LISTS.join(', ')}`);
        if (items !== null && !Array.isArray(items)) throw wrongUsage(`${at(list)}: ${list} is a list`);
        const found = (raw[list] ??= []);
        for (const [index, item] of ((items ?? []) as unknown[]).entries()) found.push({ item, file, list, index, document });
      }
    }
  }
  if (LISTS.reduce((sum, list) => sum + (raw[list]?.length ?? 0), 0) > MAX_OBJECTS)
    throw wrongUsage(`there are more than ${MAX_OBJECTS} objects`);
  if (LISTS.every((list) => raw[list] === null)) throw wrongUsage('the files say nothing: a document has vns, nves or tenantSystems');
  return {
    vns: each(raw.vns, readVn, ({ vnid }) => `VN ${vnid}`),
    nves: each(raw.nves, readNve, ({ nveId }) => `NVE ${nveId}`),
    tenantSystems: each(raw.tenantSystems, readTenantSystem, ({ tenantId, tsId }) => `tenant system ${tsId} of ${tenantId}`),
  };
}

/** «network.yaml, line 7: vns[1].service». `field` is in words of the API: `bindings[0].ip`. */
function placeOf({ file, list, index, document }: RawItem, field = ''): string {
  const path = [...field.matchAll(/[^.[\]]+/g)].map(([name]) => (/^\d+$/.test(name) ? Number(name) : name));
  return `${file}, line ${document.lineOf([list, index, ...path])}: ${list}[${index}]${field === '' ? '' : `.${field}`}`;
}

const isList = (name: string): name is (typeof LISTS)[number] => (LISTS as readonly string[]).includes(name);

/** Reads each item; two of one name contradict each other. */
function each<T>(items: readonly RawItem[] | null, read: (item: Raw) => T, nameOf: (item: T) => string): readonly T[] | null {
  if (!items) return null;
  const seen = new Map<string, RawItem>();
  return items.map((raw) => {
    const { item } = raw;
    if (!isObject(item)) throw wrongUsage(`${placeOf(raw)} is a map`);
    const value = readItem(raw, item, read);
    const name = nameOf(value);
    const first = seen.get(name);
    if (first) throw wrongUsage(`${placeOf(raw)}: ${name} is there twice; first in ${placeOf(first)}`);
    seen.set(name, raw);
    return value;
  });
}

function readItem<T>(raw: RawItem, item: Raw, read: (item: Raw) => T): T {
  try {
    return read(item);
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause;
    const { field, received } = cause.detail;
    throw wrongUsage(`${placeOf(raw, field)}: ${cause.message}${received === undefined ? '' : `, not ${JSON.stringify(received)}`}`, cause);
  }
}

/** A command's fields as the NVA reads them, without what a single call may say besides. */
function readAs<T>(command: CommandName, item: Raw): T {
  for (const field of ['ifRevision', 'force', 'placement']) {
    if (Object.hasOwn(item, field))
      throw new Refusal('unknown-field', `there is no field ${field} in a file`, { field, received: item[field] });
  }
  const { type: _type, ...fields } = parseBody(command, {}, item).command as unknown as Raw;
  return fields as T;
}

function readVn(item: Raw): DesiredVn {
  const { policies, ...vn } = readAs<DesiredVn & { readonly policies?: Policies }>('putVn', item);
  return { ...vn, ...(policies && { context: policies }) };
}

const readNve = (item: Raw): DesiredNve => readAs('connectNve', item);

/** The place is `nveId`, with `state` and `logicalInterface`, or a list of such places, `attachments`. */
function readTenantSystem(item: Raw): DesiredTenantSystem {
  const { attachments, nveId, state, logicalInterface, ...fields } = item;
  const places = attachments ?? [
    { nveId, ...(state !== undefined && { state }), ...(logicalInterface !== undefined && { logicalInterface }) },
  ];
  if (attachments !== undefined) {
    if (nveId !== undefined)
      throw new Refusal('unknown-field', 'either nveId or attachments says where it is', { field: 'nveId', received: nveId });
    if (!Array.isArray(attachments) || attachments.length === 0)
      throw new Refusal('wrong-type', 'attachments is a list of at least one place', { field: 'attachments', received: attachments });
  }
  const read = (places as readonly unknown[]).map((place, i) =>
    readPlace(fields, place, attachments === undefined ? '' : `attachments[${i}]`),
  );
  const [{ tsId, tenantId, vmId, mac, bindings }] = read as [ReturnType<typeof readPlace>];
  const at = read.map((one) => one.place);
  const twice = at.find((place, i) => at.findIndex((other) => other.nveId === place.nveId) !== i);
  if (twice) throw new Refusal('out-of-range', `${twice.nveId} is there twice`, { field: 'attachments', received: twice.nveId });
  return { tsId, tenantId, vmId, mac, attachments: at, ...(bindings && { bindings }) };
}

function readPlace(
  fields: Raw,
  place: unknown,
  path: string,
): Omit<DesiredTenantSystem, 'attachments'> & { readonly place: DesiredAttachment } {
  if (!isObject(place)) throw new Refusal('wrong-type', `${path} is a map`, { field: path, received: place });
  for (const name of Object.keys(place))
    if (!['nveId', 'state', 'logicalInterface'].includes(name))
      throw new Refusal('unknown-field', `there is no field ${name} in a place`, { field: `${path}.${name}`, received: place[name] });
  const {
    nveId,
    state = 'activated',
    logicalInterface,
    ...ts
  } = readAs<Omit<DesiredTenantSystem, 'attachments'> & DesiredAttachment>('attach', {
    ...fields,
    ...place,
  });
  return { ...ts, place: { nveId, state, ...(logicalInterface !== undefined && { logicalInterface }) } };
}
