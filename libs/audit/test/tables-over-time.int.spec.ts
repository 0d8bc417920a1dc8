import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { History } from '@nva/history';
import { nveStream, vnStream } from '@nva/identifiers';
import { feedKey, type Position } from '@nva/ports';
import { racyLog } from '../../fold/test/races.ts';
import { differencesAtNve, differencesOfVn, timeline, vnsOfNve, type VnDifference } from '../src/index.ts';
import { Told, type Table } from './told.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nva-audit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byPlace = (a: VnDifference, b: VnDifference): number => a.vnid - b.vnid || compare(a.key, b.key);

/** The tables that an NVE holds at a position, by VNID. */
const held = (told: Told, nveId: string, position: Position): ReadonlyMap<number, Table> =>
  new Map(
    [...told.table(`nve/${nveId}`, position).values()].map(({ value }) => {
      const { vnid } = value!.data as { vnid: number };
      return [vnid, told.table(`vn/${vnid}`, position)];
    }),
  );

describe('differences', () => {
  it('are those of the tables of a replay, each by the event that did it last (X11)', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(racyLog(), fc.nat(), fc.nat(), async (log, a, b) => {
        const told = await Told.of(log, join(folder, `${run++}.sqlite`));
        fc.pre(told.events.length > 0);
        const [from, to] = [a, b].map((n) => told.events[n % told.events.length]!.position).toSorted((x, y) => x - y) as [
          Position,
          Position,
        ];
        const lastChange = (feed: string, key: string): Position =>
          told.changes.findLast((one) => one.feed === feed && one.key === key && one.position <= to)!.position;
        for (const feed of told.feeds.values()) {
          if (feed.kind === 'vn') {
            const [before, after] = [told.table(feedKey(feed), from), told.table(feedKey(feed), to)];
            const wanted = [...new Set([...before.keys(), ...after.keys()])]
              .filter((key) => before.get(key)?.position !== after.get(key)?.position)
              .map((key) => ({
                vnid: feed.vnid,
                key,
                before: before.get(key) ?? null,
                after: after.get(key) ?? null,
                position: lastChange(feedKey(feed), key),
              }));
            expect(differencesOfVn(told.history, feed.vnid, from, to)).toEqual(wanted.toSorted(byPlace));
            continue;
          }
          const [before, after] = [held(told, feed.nveId, from), held(told, feed.nveId, to)];
          const found = vnsOfNve(told.history, feed.nveId, from, to).flatMap((vn) => differencesAtNve(told.history, vn, from, to));
          const wanted = [...new Set([...before.keys(), ...after.keys()])].flatMap((vnid) => {
            const [was, is] = [before.get(vnid) ?? new Map(), after.get(vnid) ?? new Map()];
            return [...new Set([...was.keys(), ...is.keys()])]
              .filter((key) => was.get(key)?.position !== is.get(key)?.position)
              .map((key) => ({ vnid, key, before: was.get(key) ?? null, after: is.get(key) ?? null }));
          });
          expect(found.map(({ vnid, key, before: was, after: is }) => ({ vnid, key, before: was, after: is }))).toEqual(
            (wanted as VnDifference[]).toSorted(byPlace),
          );
          for (const { vnid, position, after: now } of found) {
            expect(position > from && position <= to).toBe(true);
            const changed = told.changes.filter((one) => one.position === position).map((one) => one.feed);
            expect(changed.some((name) => name === `vn/${vnid}` || name === `nve/${feed.nveId}`)).toBe(true);
            if (now) expect(position).toBeGreaterThanOrEqual(now.position);
          }
        }
        told.close();
      }),
      { numRuns: 40 },
    );
  });
});

describe('a timeline', () => {
  it('has every event of the streams and every change of the feeds, once, in order, whatever the pages are (X11)', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(racyLog(), fc.integer({ min: 1, max: 5 }), fc.nat(), async (log, limit, a) => {
        const told = await Told.of(log, join(folder, `${run++}.sqlite`));
        fc.pre(told.events.length > 0);
        const upTo = told.events[a % told.events.length]!.position;
        const source = { log: told.store, ask: <T>(question: (history: History) => T): T => question(told.history) };
        for (const feed of told.feeds.values()) {
          const stream = feed.kind === 'vn' ? vnStream(feed.vnid) : nveStream(feed.nveId);
          const items = [];
          for (let after: Position | null = 0; after !== null;) {
            const page = await timeline(source, { feeds: [feed], streams: [stream] }, { after, upTo, limit });
            expect(page.items.length).toBeLessThanOrEqual(limit);
            items.push(...page.items);
            after = page.next;
          }
          const wanted = told.events
            .filter(({ position }) => position <= upTo)
            .map((event) => ({
              position: event.position,
              keys: told.changes.filter((one) => one.position === event.position && one.feed === feedKey(feed)).map(({ key }) => key),
              isOfStream: event.stream === stream,
            }))
            .filter(({ keys, isOfStream }) => keys.length > 0 || isOfStream)
            .map(({ position, keys }) => ({ position, keys }));
          expect(items.map(({ event, changes }) => ({ position: event.position, keys: changes.map(({ entry }) => entry.key) }))).toEqual(
            wanted,
          );
        }
        told.close();
      }),
      { numRuns: 25 },
    );
  });
});
