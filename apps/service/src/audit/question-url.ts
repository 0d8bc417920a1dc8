import type { At } from '@nva/audit';
import type { Address } from '../reads/queries.ts';
import type { Question } from './audit.ts';

/** Questions that another admin can be asked: those that the history answers. */
export type Passable = Exclude<Question, { readonly kind: 'what-if' }>;

/** The queries that the history answers, and where they are asked. */
const PATHS: Readonly<Record<string, (path: Readonly<Record<string, string>>) => string>> = {
  mappings: ({ vnid }) => `/v1/vns/${encodeURIComponent(vnid!)}/mappings`,
  table: ({ nveId }) => `/v1/nves/${encodeURIComponent(nveId!)}/table`,
  resolve: () => '/v1/resolve',
};

/** Path and query by which another admin is asked the same. */
export function urlOf(question: Passable): string {
  const [path, fields] = partsOf(question);
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields))
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value));
  return `${path}?${query.toString()}`;
}

type Fields = Readonly<Record<string, string | number | null | undefined>>;

function partsOf(question: Passable): readonly [path: string, fields: Fields] {
  switch (question.kind) {
    case 'query':
      return [PATHS[question.name]!(question.asked.path), { ...question.asked.query, at: textOf(question.at) }];
    case 'diff': {
      const { of, from, to, after, limit } = question;
      return ['/v1/diff', { ...of, from: textOf(from), to: textOf(to), after, limit }];
    }
    case 'timeline': {
      const { of, from, to, after, limit } = question;
      const named =
        'address' in of ? { vnid: of.vnid, ...of.address } : 'tsId' in of ? { tsId: of.tsId, tenantId: of.tenantId } : { ...of };
      return ['/v1/timeline', { ...named, from: textOf(from), to: textOf(to), after, limit }];
    }
    case 'explain': {
      const { vnid, address, nveId, at } = question;
      return ['/v1/explain', { vnid, ...address, nveId, at: textOf(at) }];
    }
    case 'trace': {
      const { from, tenantId, to, vnid, at } = question;
      return ['/v1/trace', { from, tenantId, to: addressText(to), vnid, at: textOf(at) }];
    }
    case 'reachability': {
      const { a, b, tenantId, from, to } = question;
      return ['/v1/reachability', { a: a.tsId, b: b.tsId, tenantId, from: textOf(from), to: textOf(to) }];
    }
  }
}

const addressText = (address: Address): string => ('mac' in address ? address.mac : address.ip);

function textOf(at: At | null): string | null {
  if (at === null) return null;
  return 'position' in at ? String(at.position) : new Date(at.timeMs).toISOString();
}
