import type { Mapping, VnMember } from '@nva/codec';
import type { Applied } from '@nva/nve';

/** The answer to a write, with the fields that the demo uses. */
export interface Answer {
  /** Decimal. */
  readonly position: string;
  readonly effective: boolean;
  readonly memberships?: readonly number[];
}

/** A VN that an NVE is in, and the NVA's verdict on the table that the NVE last reported. */
export interface MembershipState {
  readonly vnid: number;
  readonly applied: {
    readonly position: string;
    readonly digest: string;
    readonly verdict: 'same' | 'behind' | 'differs' | 'unknown';
  } | null;
}

export interface NveState {
  readonly nveId: string;
  readonly reachable: boolean;
  readonly memberships: readonly MembershipState[];
}

/** A record in the NVA's lists: its fields, and the position of its last change. */
export type Listed<T> = T & { readonly position: string };

/** A refused request (RFC 9457). */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly code: string;
  /** The requirement that the request breaks; null if there is none. */
  readonly row: string | null;

  constructor(
    request: string,
    status: number,
    body: { readonly code?: string; readonly detail?: string; readonly title?: string; readonly row?: string },
  ) {
    super(`${request}: ${status} ${body.code ?? ''} ${body.detail ?? body.title ?? ''}`.trim());
    this.status = status;
    this.code = body.code ?? '';
    this.row = body.row ?? null;
  }
}

/** Longer than the NVA itself takes to answer that an outcome is unknown. */
const REQUEST_TIMEOUT_MS = 60_000;
const PAGE_ITEMS = 100;

/** The part of the NVA's REST interface that an NVE's agent and an operator need. */
export class NvaApi {
  readonly baseUrl: string;
  readonly #queriesUrl: string;
  /** Position of the newest write; answers to queries are at least as new. */
  #position = '0';

  /** `queriesUrl`: the process that answers queries, if it is another one. */
  constructor(baseUrl: string, queriesUrl = baseUrl) {
    this.baseUrl = baseUrl;
    this.#queriesUrl = queriesUrl;
  }

  /** A write; throws Problem if it is refused. */
  async write(method: 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    const answer = (await this.#request(method, path, body)) as Answer;
    if (Number(answer.position) > Number(this.#position)) this.#position = answer.position;
    return answer;
  }

  heartbeat(nveId: string, incarnation: number, applied: readonly Applied[]): Promise<unknown> {
    return this.#request('POST', `/v1/nves/${nveId}/heartbeat`, { incarnation, applied });
  }

  nve(nveId: string): Promise<NveState> {
    return this.#request('GET', `/v1/nves/${nveId}`) as Promise<NveState>;
  }

  /** All mappings that the NVA distributes in a VN. */
  mappings(vnid: number): Promise<readonly Listed<Mapping>[]> {
    return this.#list(`/v1/vns/${vnid}/mappings`);
  }

  members(vnid: number): Promise<readonly Listed<VnMember>[]> {
    return this.#list(`/v1/vns/${vnid}/members`);
  }

  async #list<T>(path: string): Promise<readonly T[]> {
    const all: T[] = [];
    for (let after = ''; ;) {
      const page = (await this.#request('GET', `${path}?limit=${PAGE_ITEMS}${after}`)) as {
        readonly items: readonly T[];
        readonly next?: string;
      };
      all.push(...page.items);
      if (page.next === undefined) return all;
      after = `&after=${encodeURIComponent(page.next)}`;
    }
  }

  async #request(method: string, path: string, body?: unknown): Promise<unknown> {
    const request = `${method} ${path}`;
    const query = method === 'GET';
    const response = await fetch(`${query ? this.#queriesUrl : this.baseUrl}${path}`, {
      method,
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      headers: { ...(query && { 'x-min-position': this.#position }), ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      throw new Error(`${request}: the NVA does not answer`, { cause });
    });
    const text = await response.text();
    const answer: unknown = text === '' ? null : JSON.parse(text);
    if (!response.ok) throw new Problem(request, response.status, (answer ?? {}) as object);
    return answer;
  }
}
