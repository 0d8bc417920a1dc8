import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readArchive } from '@nva/codec';
import { encodeLeaf, loadKnownKeys, parseCheckpoint, parseNote, TreeFile, verifyLog } from '@nva/transparency';
import supertest from 'supertest';
import { attachLine, populate, postLines, temporaryDirectory, until } from '../../service/test/support.ts';
import { NvaProcess } from './nva-process.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let last: NvaProcess | undefined;
beforeEach(async () => (directory = await temporaryDirectory()));
afterEach(async () => {
  await last?.end('SIGKILL');
  await directory.remove();
});

async function started(): Promise<{ readonly process: NvaProcess; readonly url: string }> {
  const process = new NvaProcess({ PORT: '0', DATA_DIR: directory.path, PROOF_EVERY_MS: '50' });
  last = process;
  return { process, url: await process.url() };
}

/** The folder of the tree; there is one log. */
function treeFolder(): string {
  const folder = join(directory.path, 'history/proof');
  return join(folder, readdirSync(folder)[0]!);
}

async function* body(url: string): AsyncGenerator<Uint8Array, void> {
  for await (const piece of (await fetch(`${url}/v1/export`)).body!) yield piece as Uint8Array;
}

async function* entries(url: string): AsyncGenerator<Uint8Array, void> {
  for await (const events of (await readArchive(body(url))).events)
    for (const { position, stream, revision, id, bytes } of events) yield encodeLeaf({ position, stream, revision, id, event: bytes });
}

it('SIGKILL under load leaves no checkpoint that does not hold, round after round (X17)', async () => {
  const notes: string[] = [];
  let attached = 0;
  for (let round = 0; round < 5; round++) {
    const { process, url } = await started();
    if (round === 0) await populate(supertest(url));
    const before = notes.length === 0 ? 0 : parseCheckpoint(parseNote(notes.at(-1)!).text).size;
    const load = (async () => {
      for (;;) {
        const lines = Array.from({ length: 40 }, (_, n) => attachLine(attached + n, 1 + (n % 3))).join('');
        attached += 40;
        await postLines(url, lines);
        // So that checkpoints are signed meanwhile, and not at the end of a rush.
        await sleep(10);
      }
    })().catch(() => undefined);
    const path = (): string => join(treeFolder(), 'checkpoint');
    const sizeNow = (): number => parseCheckpoint(parseNote(readFileSync(path(), 'utf8')).text).size;
    await until(() => existsSync(join(directory.path, 'history/proof')) && existsSync(path()) && sizeNow() > before + 170 * round);
    await process.end('SIGKILL');
    await load;
    const folder = treeFolder();
    const note = readFileSync(path(), 'utf8');
    const { origin, logId, size } = parseCheckpoint(parseNote(note).text);
    const tree = TreeFile.open({ folder, origin, logId });
    tree.check();
    expect(tree.size).toBe(size);
    notes.push(note);
  }
  const { process, url } = await started();
  const { origin } = parseCheckpoint(parseNote(notes[0]!).text);
  const keys = loadKnownKeys(join(treeFolder(), 'known-keys'));
  const verdict = await verifyLog({ entries: entries(url), checkpoints: notes, origin, keys });
  expect(verdict).toMatchObject({ holds: true });
  const { foldPosition: head } = (await supertest(url).get('/readyz').expect(200)).body as { foldPosition: string };
  expect(Number(head)).toBeGreaterThan(0);
  await until(async () => (await supertest(url).get('/v1/tlog/checkpoint')).text?.includes(`nva position ${head}\n`) ?? false);
  await process.end();
  expect(process.lines.filter(({ level }) => level === 'error')).toEqual([]);
});
