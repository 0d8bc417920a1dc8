import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  formatAddCheckpoint,
  generateSigner,
  openNote,
  parseAddCheckpoint,
  parseNote,
  ProofRefused,
  readCosignatures,
  TreeFile,
  withSignatures,
  Witness,
} from '@nva/transparency';
import { newFolder } from './folders.ts';
import { grow, LOG_ID, noteOf, NOW_SECONDS, ORIGIN } from './support.ts';

const log = generateSigner(ORIGIN);
const cosigner = generateSigner('witness.example').asCosigner();

let folder: string;
let tree: TreeFile;
beforeEach(() => {
  folder = newFolder();
  tree = TreeFile.open({ folder: join(folder, 'tree'), origin: ORIGIN, logId: LOG_ID, isSynced: false });
});
afterEach(() => rmSync(folder, { recursive: true }));

const witness = (): Witness =>
  new Witness({ folder: join(folder, 'cosigned'), signer: cosigner, logs: [log.verifier], nowSeconds: () => NOW_SECONDS });
const request = (oldSize: number): string =>
  formatAddCheckpoint({ oldSize, proof: oldSize === 0 ? [] : tree.consistencyProof(oldSize), note: tree.note! });

describe('a request to a witness', () => {
  it('is read as it was written, and as nothing else', () => {
    grow(tree, 300, [log]);
    const body = request(7);
    expect(formatAddCheckpoint(parseAddCheckpoint(body))).toBe(body);
    for (const wrong of ['', 'old 7\n', 'old 07\n\nx', 'old -7\n\nx', 'new 7\n\nx', 'old 7\nAAAA\n\nx', `old 7\n${'A'.repeat(44)}\n\nx`])
      expect(() => parseAddCheckpoint(wrong), wrong).toThrow(expect.objectContaining({ name: 'Malformed' }));
    const long = `old 7\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(55)}\nx`;
    expect(() => parseAddCheckpoint(long)).toThrow('55 hashes');
  });
});

describe('a witness', () => {
  it('cosigns every continuation, and remembers the last one over a restart', async () => {
    for (const [from, to] of [
      [0, 1],
      [1, 255],
      [255, 256],
      [256, 700],
    ] as const) {
      grow(tree, to, [log]);
      const line = await witness().cosign(request(from));
      const { text } = parseNote(tree.note!);
      expect(openNote(`${text}\n${line}`, [cosigner.verifier]).verified).toEqual([
        { name: 'witness.example', keyId: cosigner.verifier.keyId, atSeconds: NOW_SECONDS },
      ]);
      expect(witness().lastOf(log.verifier)).toMatchObject({ size: to });
    }
    expect(statSync(join(folder, 'cosigned', log.verifier.keyId.toString(16).padStart(8, '0'))).mode & 0o777).toBe(0o600);
    await expect(witness().cosign(request(256))).rejects.toMatchObject({ name: 'SizeConflict', size: 700 });
    expect(await witness().cosign(request(700))).toMatch(/^— witness\.example /);
  });

  it('lets one of two requests that come at once go first, and cosigns no fork of it', async () => {
    grow(tree, 10, [log]);
    const other = noteOf(10, Buffer.alloc(32, 1), [log]);
    const one = witness();
    const settled = await Promise.allSettled([
      one.cosign(request(0)),
      one.cosign(formatAddCheckpoint({ oldSize: 0, proof: [], note: other })),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    const same = formatAddCheckpoint({ oldSize: 10, proof: [], note: other });
    await expect(one.cosign(same)).rejects.toMatchObject({ name: 'SizeConflict', size: 10 });
    const larger = formatAddCheckpoint({ oldSize: 10, proof: [Buffer.alloc(32)], note: noteOf(11, Buffer.alloc(32, 1), [log]) });
    await expect(one.cosign(larger)).rejects.toBeInstanceOf(ProofRefused);
    expect(one.lastOf(log.verifier)).toMatchObject({ size: 10, root: tree.root() });
  });

  it('cosigns nothing that it cannot compare, and keeps nothing of it', async () => {
    grow(tree, 10, [log]);
    const compare = (): never => {
      throw new ProofRefused('another log');
    };
    await expect(witness().cosign(request(0), compare)).rejects.toThrow('another log');
    expect(witness().lastOf(log.verifier)).toBeNull();
    const stranger = noteOf(10, tree.root(), [generateSigner(ORIGIN)]);
    await expect(witness().cosign(formatAddCheckpoint({ oldSize: 0, proof: [], note: stranger }))).rejects.toMatchObject({
      name: 'SignatureRefused',
    });
    await expect(witness().cosign(formatAddCheckpoint({ oldSize: 11, proof: [], note: tree.note! }))).rejects.toMatchObject({
      name: 'Malformed',
    });
  });
});

describe('a tree whose thread does not wait for the disk', () => {
  it('commits as one that waits, and takes cosignatures below its checkpoint', async () => {
    const soon = TreeFile.open({ folder: join(folder, 'soon'), origin: ORIGIN, logId: LOG_ID });
    for (const size of [100, 256, 300, 700]) {
      grow(tree, size, [log]);
      for (let i = soon.size; i < size; i++) soon.append(i, tree.entry(i));
      await soon.flush();
      expect(soon.unsynced).toBe(0);
      await soon.commitSoon(tree.note!);
    }
    const again = TreeFile.open({ folder: join(folder, 'soon'), origin: ORIGIN, logId: LOG_ID });
    again.check();
    expect([again.note, again.root()]).toEqual([tree.note, tree.root()]);
    const line = await witness().cosign(request(0));
    const note = withSignatures(parseNote(again.note!), readCosignatures(parseNote(again.note!).text, line, cosigner.verifier));
    await again.cosign(note);
    expect(TreeFile.noteIn(join(folder, 'soon'))).toBe(note);
    await expect(again.cosign(noteOf(699, tree.rootAt(699), [log]))).rejects.toThrow('another checkpoint');
    expect(() => readCosignatures(parseNote(again.note!).text, line, generateSigner('witness.example').asCosigner().verifier)).toThrow();
  });
});
