/**
 * `fair-load-child.ts ndjson|paging <url> <first> <token>…`: loads an NVA as much as possible, with one caller for each token,
 * until it is ended. Prints a line when every caller has had its first answer.
 */
import { request } from 'node:http';
import { IDS_PER_CALLER, LOAD_WORKLOAD } from './fair-load.ts';
import { attachLine } from './workload.ts';

const LINES_PER_WRITE = 256;
const PAGE = 1_000;

const [kind, url, first, ...tokens] = process.argv.slice(2) as [string, string, string, ...string[]];
const ready = new Set<string>();

function answered(token: string): void {
  ready.add(token);
  if (ready.size === tokens.length) process.stdout.write('loading\n');
}

/** Attaches new tenant systems over one connection, as fast as they are accepted. */
function attaching(token: string, from: number): void {
  const call = request(
    `${url}/v1/commands`,
    { method: 'POST', headers: { 'content-type': 'application/x-ndjson', 'authorization': `Bearer ${token}` } },
    (response) => {
      response.once('data', () => answered(token)).resume();
    },
  );
  let next = from;
  const push = (): void => {
    while (next < from + IDS_PER_CALLER) {
      const lines = Array.from({ length: LINES_PER_WRITE }, (_, i) => attachLine(LOAD_WORKLOAD, next + i));
      next += LINES_PER_WRITE;
      if (!call.write(`${lines.join('\n')}\n`)) return void call.once('drain', push);
    }
    call.end();
  };
  push();
}

/** Reads the table of VN 1 page by page, again and again. */
async function paging(token: string): Promise<void> {
  for (let after = ''; ;) {
    const response = await fetch(`${url}/v1/vns/1/mappings?limit=${PAGE}${after}`, { headers: { authorization: `Bearer ${token}` } });
    const { next } = (await response.json()) as { next?: string };
    if (!response.ok) throw new Error(`a page was answered with ${response.status}`);
    answered(token);
    after = next === undefined ? '' : `&after=${encodeURIComponent(next)}`;
  }
}

tokens.forEach((token, i) => (kind === 'ndjson' ? attaching(token, Number(first) + i * IDS_PER_CALLER) : void paging(token)));
