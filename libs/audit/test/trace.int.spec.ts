import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CONTEXT_KEY, type Mapping } from '@nva/codec';
import type { History } from '@nva/history';
import { tenantsOwnTsName, tsStream } from '@nva/identifiers';
import type { Position } from '@nva/ports';
import { racyLog } from '../../fold/test/races.ts';
import { reachability, tenantOfStream, trace, traceSentences, type Address, type Trace } from '../src/index.ts';
import { Told } from './told.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nva-audit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ADDRESSES: readonly Address[] = [
  ...['192.0.2.1', '192.0.2.2', '192.0.2.5', '2001:db8::1'].map((ip) => ({ ip })),
  ...['02:00:00:00:00:01', '02:00:00:00:00:02'].map((mac) => ({ mac })),
];

/** Its logs have intervals that end. */
const SEED = 13;
const PAIRS = ['ts1', 'ts2', 'ts3', 'ts4'].flatMap((a, i, all) => all.slice(i + 1).map((b) => [a, b] as const));

/** Where a packet ends by the table of the VN alone: the NVEs that hand it out; null if it is sent to nobody in particular. */
function ends(
  told: Told,
  vnid: number,
  from: string,
  to: Address,
  position: Position,
): { readonly outcome: string; readonly at: readonly string[] } {
  const records = [...told.table(`vn/${vnid}`, position).values()];
  const mappings = records.flatMap(({ value, position: since }) => (value?.type === 'Mapping' ? [{ ...value.data, since }] : []));
  const activated = ({ attachments }: Mapping): string[] =>
    attachments.filter(({ state }) => state === 'activated').map(({ nveId }) => nveId);
  const [sender] = mappings.filter(({ tsId }) => tsId === from).flatMap(activated);
  if (sender === undefined) return { outcome: 'dropped', at: [] };
  const found = mappings.filter((one) => ('mac' in to ? one.mac === to.mac : one.ip === to.ip)).toSorted((a, b) => b.since - a.since);
  const service = records.flatMap(({ value }) => (value?.type === 'VnContext' ? [value.data.service] : []))[0];
  if (found.length === 0) return { outcome: service === 'l2' ? 'flooded' : 'dropped', at: [] };
  const at = activated(found[0]!);
  return at.length === 0 ? { outcome: 'dropped', at } : { outcome: 'delivered', at: at.includes(sender) ? [sender] : at };
}

/** The stream of the tenant system of that id which the VN's tenant has: another tenant may have had the id first. */
async function streamIn(told: Told, vnid: number, tsId: string, position: Position): Promise<string> {
  const context = told.table(`vn/${vnid}`, position).get(CONTEXT_KEY)?.value;
  const tenantId = context?.type === 'VnContext' ? context.data.tenantId : null;
  const stream = tsStream(tsId);
  if (tenantId === null || (await tenantOfStream(told.store, stream)) === tenantId) return stream;
  return tsStream(tenantsOwnTsName(tsId, tenantId));
}

describe('a trace', () => {
  it('ends where the tables of the VN say, from every tenant system to every address, at every position (X13)', async () => {
    const met = new Map<string, number>();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(racyLog(120), fc.array(fc.nat(), { minLength: 3, maxLength: 3 }), async (log, picks) => {
        const told = await Told.of(log, join(folder, `${run++}.sqlite`));
        fc.pre(told.events.length > 0);
        const source = { log: told.store, ask: <T>(question: (history: History) => T): T => question(told.history) };
        const check = async (position: Position, from: string, vnid: number, to: Address): Promise<void> => {
          const found = await trace(source, { from, stream: await streamIn(told, vnid, from, position), to, vnid }, position);
          const wanted = ends(told, vnid, from, to, position);
          expect(found.outcome, JSON.stringify({ from, vnid, to, position })).toBe(wanted.outcome);
          const last = found.steps.at(-1)!;
          if (last.step === 'delivery') expect(wanted.at).toContain(last.nveId);
          else expect(wanted.outcome).not.toBe('delivered');
          for (const sentence of traceSentences(found, { from, to })) expect(sentence).toMatch(/^\S.*\.$/);
          const way = `${found.outcome} ${found.steps.some(({ step }) => step === 'tunnel') ? 'by a tunnel' : ''}`;
          met.set(way, (met.get(way) ?? 0) + 1);
        };
        for (const { position } of told.events)
          for (const vnid of [1, 2, 3]) {
            const mappings = [...told.table(`vn/${vnid}`, position).values()].flatMap(({ value }) =>
              value?.type === 'Mapping' ? [value.data] : [],
            );
            for (const { tsId } of mappings)
              for (const { mac, ip } of mappings) {
                await check(position, tsId, vnid, { mac });
                if (ip !== null) await check(position, tsId, vnid, { ip });
              }
          }
        for (const pick of picks)
          for (const from of ['ts1', 'ts2'])
            for (const to of ADDRESSES) await check(told.events[pick % told.events.length]!.position, from, 2, to);
        told.close();
      }),
      { numRuns: 25 },
    );
    // Ways over a tunnel are rare in such logs; apps/service/test/history.int.spec.ts has one in any case.
    expect([...met.keys()]).toEqual(expect.arrayContaining(['delivered ', 'dropped ']));
  });

  it('finds the VN by what the sender is in, and asks for it where several could be meant (X13)', async () => {
    let [asked, found] = [0, 0];
    let run = 0;
    await fc.assert(
      fc.asyncProperty(racyLog(), async (log) => {
        const told = await Told.of(log, join(folder, `${run++}.sqlite`));
        fc.pre(told.events.length > 0);
        const source = { log: told.store, ask: <T>(question: (history: History) => T): T => question(told.history) };
        const { position } = told.events.at(-1)!;
        for (const from of ['ts1', 'ts2', 'ts3'])
          for (const to of ADDRESSES) {
            const question = { from, stream: tsStream(from), to };
            const one: Trace = await trace(source, { ...question, vnid: null }, position);
            if (one.vnid === null) {
              asked += one.candidates.length > 1 ? 1 : 0;
              continue;
            }
            found++;
            expect(one).toEqual(await trace(source, { ...question, vnid: one.vnid }, position));
          }
        told.close();
      }),
      { numRuns: 60 },
    );
    expect(Math.min(asked, found)).toBeGreaterThan(0);
  });
});

describe('reachability', () => {
  it.each([
    ['of logs that are always the same', SEED],
    ['of other logs', undefined],
  ])('has the intervals in which traces are delivered in both directions, by the events at their ends, %s (X14)', async (_, seed) => {
    let closed = 0;
    let run = 0;
    await fc.assert(
      fc.asyncProperty(racyLog(), fc.nat(), fc.nat(), async (log, x, y) => {
        const told = await Told.of(log, join(folder, `${run++}.sqlite`));
        fc.pre(told.events.length > 0);
        const ask = <T>(question: (history: History) => T): T => question(told.history);
        const positions = [0, ...told.events.map(({ position }) => position)];
        const [after, upTo] = [x, y].map((n) => positions[n % positions.length]!).toSorted((p, q) => p - q) as [Position, Position];
        for (const [a, b] of PAIRS) {
          const [tsA, tsB] = await Promise.all(
            [a, b].map(async (tsId) => ({ tsId, tenantId: (await tenantOfStream(told.store, tsStream(tsId))) ?? 'nobody' })),
          );
          const { intervals, isPartial } = reachability(ask, [tsA!, tsB!], [1, 2, 3], { after, upTo });
          expect(isPartial).toBe(false);
          for (const vnid of [1, 2, 3]) {
            const wanted: { began: Position | null; ended: Position | null }[] = [];
            for (const position of positions.filter((one) => one >= after && one <= upTo)) {
              const records = [...((position === 0 ? null : told.table(`vn/${vnid}`, position))?.values() ?? [])];
              // Of another tenant they are others, whatever their ids.
              const isOwn = records.some(
                ({ value }) => value?.type === 'VnContext' && [tsA, tsB].every((ts) => ts!.tenantId === value.data.tenantId),
              );
              const mappings = isOwn ? records.flatMap(({ value }) => (value?.type === 'Mapping' ? [value.data] : [])) : [];
              const reaches = (from: string, to: string): boolean =>
                mappings.some((one) => one.tsId === to && ends(told, vnid, from, { mac: one.mac }, position).outcome === 'delivered');
              const can = mappings.length > 0 && reaches(a, b) && reaches(b, a);
              const open = wanted.at(-1)?.ended === null ? wanted.at(-1)! : null;
              if (can && !open) wanted.push({ began: position === after ? null : position, ended: null });
              if (!can && open) open.ended = position;
            }
            expect(intervals.filter((one) => one.vnid === vnid).map(({ began, ended }) => ({ began, ended }))).toEqual(wanted);
            closed += wanted.filter(({ ended }) => ended !== null).length;
          }
        }
        told.close();
      }),
      { numRuns: 50, ...(seed !== undefined && { seed }) },
    );
    if (seed !== undefined) expect(closed).toBeGreaterThan(0);
  });
});
