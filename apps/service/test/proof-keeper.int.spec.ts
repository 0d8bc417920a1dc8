import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEventCodec } from '@nva/codec';
import type { SqliteEventStore } from '@nva/event-log';
import { StoreUnavailable } from '@nva/ports';
import { GappedEventStore } from '@nva/event-log/testing';
import {
  generateKeyFile,
  openCheckpoint,
  rotateKey,
  tablesRoot,
  TreeFile,
  verifyConsistency,
  verifyInclusion,
  verifyLog,
  verifyTable,
} from '@nva/transparency';
import { append, entriesIn, eventsOf, LOG_ID, logOf, ProofFixture, tablesAfter } from './proof-support.ts';
import { until } from './support.ts';

const EVENTS = eventsOf(3);
const HALF = Math.floor(EVENTS.length / 2);

let fixture: ProofFixture;
let stores: SqliteEventStore[];
beforeEach(() => {
  fixture = new ProofFixture();
  stores = [];
});
afterEach(async () => {
  await fixture.remove();
  for (const store of stores) await store.close();
});

async function log(events = EVENTS, logId = LOG_ID): Promise<SqliteEventStore> {
  const store = await logOf(join(fixture.folder, `log-${stores.length}`), events, logId);
  stores.push(store);
  return store;
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(folder, name)).isFile());
const hash = (text: string): Buffer => Buffer.from(text, 'base64');

interface Inclusion {
  readonly size: number;
  readonly root: string;
  readonly index: number;
  readonly leaf: string;
  readonly proof: readonly string[];
}

interface Consistency {
  readonly from: { readonly size: number; readonly root: string };
  readonly to: { readonly size: number; readonly root: string };
  readonly proof: readonly string[];
}

describe('the tree of a log', () => {
  it('is signed at the end of the log, with the tables of that very event, and proves every event (X17)', async () => {
    const store = new GappedEventStore({ codec: createEventCodec(), seed: 5 });
    await append(store, EVENTS.slice(0, HALF));
    const kept = fixture.keep(store);
    const sizes: number[] = [];
    for (let to = HALF; to <= EVENTS.length; to += 40) {
      await append(store, EVENTS.slice(to === HALF ? HALF : to - 40, to));
      const { position } = await store.head();
      const checkpoint = await kept.checkpointAt(position);
      expect(checkpoint).toMatchObject({ size: to, position, logId: store.logId });
      const recorded = [];
      for await (const { events } of store.readAll()) recorded.push(...events);
      expect(checkpoint.tables).toEqual(tablesRoot(tablesAfter(recorded)));
      sizes.push(to);
    }
    const { known, origin } = await kept.keys();
    const note = await kept.text({ ask: 'checkpoint' });
    const entries = await entriesIn(store);
    expect(await verifyLog({ entries, checkpoints: [note], origin, keys: known })).toMatchObject({
      holds: true,
      unsigned: entries.length - sizes.at(-1)!,
    });
    const { root } = openCheckpoint(note, origin, known);
    for await (const { events } of store.readAll())
      for (const { position } of events.slice(0, 50)) {
        const found = await kept.json<Inclusion>({ ask: 'inclusion', position, size: null });
        verifyInclusion(root, found.size, found.index, hash(found.leaf), found.proof.map(hash));
      }
    for (const from of sizes) {
      const found = await kept.json<Consistency>({ ask: 'consistency', from, to: null });
      expect(hash(found.to.root)).toEqual(root);
      verifyConsistency({ size: from, root: hash(found.from.root) }, { size: found.to.size, root }, found.proof.map(hash));
    }
    const { items } = await kept.json<{ items: { vnid: number; digest: string }[] }>({ ask: 'tables', vnid: null });
    for (const { vnid, digest } of items) {
      const { proof } = await kept.json<{ proof: { index: number; size: number; hashes: string[] } }>({ ask: 'tables', vnid });
      verifyTable(openCheckpoint(note, origin, known).tables, { vnid, digest, ...proof, hashes: proof.hashes.map(hash) });
    }
    await store.close();
  });

  it('is in private files, goes on after a restart, and signs nothing twice', async () => {
    const store = await log(EVENTS.slice(0, HALF));
    const first = fixture.keep(store);
    const before = await first.checkpointAt(HALF);
    await first.stop();
    const folder = fixture.treeOf();
    for (const name of filesIn(folder)) expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const note = readFileSync(join(folder, 'checkpoint'), 'utf8');
    const second = fixture.keep(store);
    await until(() => second.proof.status.size === HALF);
    await second.json({ ask: 'keys' });
    expect(readFileSync(join(folder, 'checkpoint'), 'utf8')).toBe(note);
    await append(store, EVENTS.slice(HALF));
    const after = await second.checkpointAt(EVENTS.length);
    const { proof } = await second.json<Consistency>({ ask: 'consistency', from: before.size, to: null });
    verifyConsistency(before, after, proof.map(hash));
    expect(fixture.said('error')).toEqual([]);
  });

  it('that is damaged is built anew from the log, with a line, and continues what was signed', async () => {
    const store = await log(EVENTS.slice(0, HALF));
    const first = fixture.keep(store);
    const before = await first.checkpointAt(HALF);
    await first.stop();
    const folder = fixture.treeOf();
    const names = filesIn(folder).filter((name) => /^tile.*\.p/.test(name));
    expect(names.length).toBeGreaterThan(1);
    for (const [i, name] of names.entries()) {
      const bytes = readFileSync(join(folder, name));
      bytes[3]! ^= 1;
      if (i % 2 === 0) writeFileSync(join(folder, name), bytes);
      else rmSync(join(folder, name));
      const again = fixture.keep(store);
      await until(() => fixture.said('warn').length === i + 1);
      await until(async () => (await again.text({ ask: 'checkpoint' }).catch(() => '')) !== '');
      expect(await again.checkpointAt(HALF)).toMatchObject({ size: before.size, root: before.root });
      await again.stop();
      TreeFile.open({ folder, origin: before.origin, logId: LOG_ID }).check();
    }
    expect(fixture.said('warn')).toEqual(names.map(() => expect.stringMatching(/damaged, and is built anew/)));
    expect(fixture.said('error')).toEqual([]);
  });

  it('is found to be damaged by whoever asks, and built anew while it runs', async () => {
    const store = await log(EVENTS);
    const first = fixture.keep(store);
    await first.checkpointAt(EVENTS.length);
    rmSync(join(fixture.treeOf(), 'tile/entries/000'));
    const path = 'tile/entries/000';
    await expect(first.proof.answer({ kind: 'proof', ask: 'tile', path })).rejects.toMatchObject({ code: 'behind' });
    await until(() => existsSync(join(fixture.treeOf(), path)));
    await until(async () => 'bytes' in (await first.proof.answer({ kind: 'proof', ask: 'tile', path }).catch(() => ({ text: '' }))));
    expect(fixture.said('warn').length).toBe(1);
  });

  it('is begun anew for a log with another UUID; what was signed of the old one stays', async () => {
    const first = fixture.keep(await log(EVENTS.slice(0, HALF)));
    await first.checkpointAt(HALF);
    await first.stop();
    const note = readFileSync(join(fixture.treeOf(), 'checkpoint'), 'utf8');
    const other = '0195f2a0-0000-7000-8000-0000000000bb';
    const second = fixture.keep(await log(EVENTS.slice(0, 20), other), {}, 'two');
    expect(await second.checkpointAt(20)).toMatchObject({ size: 20, logId: other, origin: `nva/${other}` });
    expect(readFileSync(join(fixture.treeOf(), 'checkpoint'), 'utf8')).toBe(note);
    expect(fixture.said('error')).toEqual([]);
  });

  it('waits for a log that cannot be read for a while, and goes on where it was', async () => {
    const store = await log(EVENTS.slice(0, HALF));
    let failures = 3;
    const flaky = new Proxy(store, {
      get(target, name) {
        if (name === 'readAll' && failures > 0)
          return async function* (options: Parameters<typeof store.readAll>[0]) {
            // Some of the events, and then none.
            if (options?.withBytes) yield* target.readAll({ ...options, limit: 7 });
            if (options?.withBytes && failures-- > 0) throw new StoreUnavailable('no leader');
          };
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const kept = fixture.keep(flaky);
    expect(await kept.checkpointAt(HALF)).toMatchObject({ size: HALF });
    expect(fixture.said('warn')).toEqual([expect.stringContaining('cannot be read for the proof now')]);
    expect(fixture.said('error')).toEqual([]);
    TreeFile.open({ folder: fixture.treeOf(), origin: `nva/${LOG_ID}`, logId: LOG_ID }).check();
  });

  it('is one process’s; another says so, and takes it over when it is free', async () => {
    const store = await log(EVENTS.slice(0, 30));
    const first = fixture.keep(store);
    await first.checkpointAt(30);
    const second = fixture.keep(store, {}, 'two');
    await until(() => fixture.said('warn').some((line) => line.includes('another process')));
    await expect(second.text({ ask: 'checkpoint' })).rejects.toMatchObject({ code: 'behind', message: expect.stringContaining('lock') });
    await first.stop();
    expect(await second.checkpointAt(30)).toMatchObject({ size: 30 });
  });

  it('has a checkpoint set aside that cannot be read, which is told as an error', async () => {
    const store = await log(EVENTS.slice(0, 30));
    const first = fixture.keep(store);
    await first.checkpointAt(30);
    await first.stop();
    writeFileSync(join(fixture.treeOf(), 'checkpoint'), 'not a note');
    const second = fixture.keep(store);
    await second.checkpointAt(30);
    expect(readFileSync(join(fixture.treeOf(), 'checkpoint.damaged'), 'utf8')).toBe('not a note');
    expect(fixture.said('error')).toEqual([expect.stringContaining('set aside')]);
  });
});

describe('a log that does not continue what was signed', () => {
  async function signed(events: typeof EVENTS = EVENTS.slice(0, HALF)): Promise<void> {
    const first = fixture.keep(await log(events));
    await first.checkpointAt(events.length);
    await first.stop();
  }

  it('stops the signing and nothing else, and is told as an error, in the status and to whoever asks (X17)', async () => {
    await signed();
    const note = readFileSync(join(fixture.treeOf(), 'checkpoint'), 'utf8');
    const changed = EVENTS.map((event, i) => (i === HALF - 3 ? { ...event, id: EVENTS[0]!.id.replace(/^./, 'f') } : event));
    const kept = fixture.keep(await log(changed), {}, 'two');
    await until(() => kept.proof.status.isForked);
    expect(kept.proof.status.forks).toBe(1);
    for (const ask of ['checkpoint', 'keys'] as const)
      await expect(kept.text({ ask })).rejects.toMatchObject({ code: 'log-forked', detail: { actual: { leaf: HALF - 3 } } });
    expect(fixture.said('error')).toEqual([expect.stringContaining('does not continue what was signed')]);
    expect(readFileSync(join(fixture.treeOf(), 'checkpoint'), 'utf8')).toBe(note);
  });

  it('by an event far before the end is found when the tree is built anew', async () => {
    await signed(EVENTS);
    expect(EVENTS.length).toBeGreaterThan(300);
    rmSync(join(fixture.treeOf(), 'tile'), { recursive: true });
    const changed = EVENTS.map((event, i) => (i === 5 ? { ...event, id: EVENTS[0]!.id.replace(/^./, 'f') } : event));
    const kept = fixture.keep(await log(changed), {}, 'two');
    await until(() => kept.proof.status.isForked);
    await expect(kept.text({ ask: 'tables', vnid: null })).rejects.toMatchObject({ code: 'log-forked' });
  });

  it('since it ends too early is a fork until it does not any more', async () => {
    await signed();
    const store = await log(EVENTS.slice(0, HALF - 10));
    const kept = fixture.keep(store, {}, 'two');
    await until(() => kept.proof.status.isForked);
    await expect(kept.text({ ask: 'checkpoint' })).rejects.toMatchObject({
      code: 'log-forked',
      message: expect.stringContaining(`ends at position ${HALF - 10}`),
    });
    await append(store, EVENTS.slice(HALF - 10));
    expect(await kept.checkpointAt(EVENTS.length)).toMatchObject({ size: EVENTS.length });
    expect(kept.proof.status).toMatchObject({ isForked: false, forks: 1 });
  });
});

describe('the keys', () => {
  it('others can read are refused, with a line, until they cannot', async () => {
    const store = await log(EVENTS.slice(0, 30));
    const first = fixture.keep(store);
    await first.checkpointAt(30);
    await first.stop();
    const key = join(fixture.treeOf(), 'key');
    chmodSync(key, 0o644);
    const second = fixture.keep(store);
    await until(() => fixture.said('error').length > 0);
    await expect(second.text({ ask: 'keys' })).rejects.toMatchObject({ code: 'behind', message: expect.stringContaining('mode 0644') });
    expect(JSON.stringify(fixture.lines)).not.toContain('PRIVATE');
    chmodSync(key, 0o600);
    expect(await second.checkpointAt(30)).toMatchObject({ size: 30 });
  });

  it('are replaced in a file or by the library; what was signed before stays good, and a former one signs nothing more (X17)', async () => {
    const store = await log(EVENTS.slice(0, 30));
    const keyFile = join(fixture.folder, 'keys', 'nva.key');
    generateKeyFile(keyFile, 'nva.example/log');
    const first = fixture.keep(store, { keyFile });
    await first.checkpointAt(30);
    const old = await first.text({ ask: 'checkpoint' });
    await first.stop();
    const former = readFileSync(keyFile);
    generateKeyFile(join(fixture.folder, 'keys', 'new.key'), 'nva.example/log');
    renameSync(join(fixture.folder, 'keys', 'new.key'), keyFile);
    const second = fixture.keep(store, { keyFile });
    await until(() => second.proof.status.size === 30);
    await append(store, EVENTS.slice(30, 60));
    await second.checkpointAt(60);
    await second.stop();
    rotateKey(keyFile, join(fixture.treeOf(), 'known-keys'), 60);
    const third = fixture.keep(store, { keyFile });
    await append(store, EVENTS.slice(60, 70));
    await third.checkpointAt(70);
    const { known, origin } = await third.keys();
    expect(known.former.map(({ untilSize }) => untilSize)).toEqual([30, 60]);
    expect(openCheckpoint(old, origin, known).size).toBe(30);
    await third.stop();
    const another = join(fixture.folder, 'keys', 'another.key');
    generateKeyFile(another, 'nva.example/another');
    const strange = fixture.keep(store, { keyFile: another });
    await until(() => fixture.said('error').length > 0);
    await expect(strange.text({ ask: 'keys' })).rejects.toMatchObject({
      code: 'behind',
      message: expect.stringContaining('a log keeps its name'),
    });
    await strange.stop();
    fixture.lines.length = 0;
    writeFileSync(keyFile, former);
    const fourth = fixture.keep(store, { keyFile });
    await until(() => fixture.said('error').length > 0);
    await expect(fourth.text({ ask: 'checkpoint' })).rejects.toMatchObject({
      message: expect.stringContaining('former key signs nothing more'),
    });
  });
});
