import { Refusal } from '@nva/identifiers';
import { FORWARDED_GROUP } from '../access/request-context.ts';
import type { AppliedBody } from './applied-reports.ts';

/** Less than the time between two probes of the owner. */
const PROBE_LIMIT_MS = 800;
/** Longer than a registrar takes to say that an outcome is unknown. */
const FORWARD_LIMIT_MS = 12_000;
/** Errors of a connection that was never established: nothing was sent. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/** Whether the registrar with that id answers at the URL. */
export async function probe(url: string, oracleId: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(PROBE_LIMIT_MS) });
    return response.ok && ((await response.json()) as { oracleId?: string }).oracleId === oracleId;
  } catch {
    return false;
  }
}

export interface AppliedLine extends AppliedBody {
  readonly vnid: number;
}

/** What an NVE has reported to the registrar at the URL; empty if the registrar does not answer. */
export async function appliedAt(url: string, nveId: string, authorization: string | undefined): Promise<readonly AppliedLine[]> {
  return itemsOf(`${url}/v1/nves/${nveId}/applied`, authorization);
}

/** What NVEs with an id after `after` have reported to the registrar at the URL; empty if the registrar does not answer. */
export async function allAppliedAt(
  url: string,
  after: string,
  limit: number,
  authorization: string | undefined,
): Promise<readonly { readonly nveId: string; readonly applied: readonly AppliedLine[] }[]> {
  return itemsOf(`${url}/v1/applied?after=${encodeURIComponent(after)}&limit=${limit}`, authorization);
}

async function itemsOf<T>(url: string, authorization: string | undefined): Promise<readonly T[]> {
  try {
    const headers = authorization === undefined ? {} : { authorization };
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(PROBE_LIMIT_MS) });
    return response.ok ? ((await response.json()) as { items: readonly T[] }).items : [];
  } catch {
    return [];
  }
}

export interface Forwarding {
  readonly group: string;
  /** Tried one after the other, as long as nothing was sent. */
  readonly urls: readonly string[];
  readonly lines: readonly object[];
  readonly authorization: string | undefined;
  readonly correlationId: string;
}

/**
 * Lets another registrar decide the commands; resolves with its answers, one for each line. Throws Refusal `oracle-unreachable`
 * or `outcome-unknown`.
 */
export async function forward({ group, urls, lines, authorization, correlationId }: Forwarding): Promise<readonly object[]> {
  const headers = {
    'content-type': 'application/x-ndjson',
    [FORWARDED_GROUP]: group,
    'x-correlation-id': correlationId,
    ...(authorization === undefined ? {} : { authorization }),
  };
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  for (const url of urls) {
    try {
      const response = await fetch(`${url}/v1/commands`, { method: 'POST', headers, body, signal: AbortSignal.timeout(FORWARD_LIMIT_MS) });
      const text = await response.text();
      if (!response.ok) return lines.map(() => JSON.parse(text) as object);
      const answers = text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as object);
      if (answers.length !== lines.length) throw new Error(`${answers.length} answers to ${lines.length} lines`);
      return answers;
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as { code?: string };
      if (code !== undefined && NOT_SENT.has(code)) continue;
      throw new Refusal(
        'outcome-unknown',
        `whether the registrar of group ${group} at ${url} recorded the command is not known: ${(error as Error).message}`,
      );
    }
  }
  throw new Refusal('oracle-unreachable', `no registrar of group ${group} can be reached now (${urls.join(', ')})`, { actual: group });
}
