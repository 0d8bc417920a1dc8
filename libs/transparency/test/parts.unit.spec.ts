import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeLeaf,
  EMPTY_ROOT,
  encodeLeaf,
  formatCheckpoint,
  generateKeyFile,
  generateSigner,
  KeyRefused,
  loadKeyFile,
  loadKnownKeys,
  Malformed,
  MAX_ENTRY_BYTES,
  openCheckpoint,
  openNote,
  parseCheckpoint,
  parseNote,
  parseSigner,
  parseVerifier,
  ProofRefused,
  proveTable,
  rotateKey,
  saveKnownKeys,
  SignatureRefused,
  signNote,
  tablesRoot,
  verifyTable,
} from '@nva/transparency';
import { newFolder } from './folders.ts';
import { checkpointOf, entryOf, LOG_ID, noteOf, NOW_SECONDS, ORIGIN } from './support.ts';

describe('notes', () => {
  // From the documentation of golang.org/x/mod/sumdb/note.
  const verifier = parseVerifier('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
  const signer = parseSigner('PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz');
  const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const signed = `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;

  it("are those of Go's documentation", () => {
    expect(signNote(text, [signer], NOW_SECONDS)).toBe(signed);
    expect(openNote(signed, [verifier]).text).toBe(text);
    expect(String(signer.verifier)).toBe(String(verifier));
    expect(parseSigner(signer.secret()).secret()).toBe(signer.secret());
  });

  it('have several signatures, with times of cosigners, and those of unknown keys are handed back', () => {
    const [other, cosigner] = [generateSigner('other'), generateSigner('admin-2').asCosigner()];
    const note = signNote(parseNote(signed), [cosigner, other], NOW_SECONDS);
    const opened = openNote(note, [verifier, cosigner.verifier]);
    expect(opened.verified.map(({ name, atSeconds }) => [name, atSeconds])).toEqual([
      ['PeterNeumann', null],
      ['admin-2', NOW_SECONDS],
    ]);
    expect(opened.unverified.map(({ name }) => name)).toEqual(['other']);
    const again = signNote(parseNote(note), [cosigner], NOW_SECONDS + 1);
    expect(openNote(again, [cosigner.verifier]).verified.map(({ atSeconds }) => atSeconds)).toEqual([NOW_SECONDS + 1]);
    expect(parseNote(again).signatures.length).toBe(3);
    expect(parseVerifier(String(cosigner.verifier)).keyId).toBe(cosigner.verifier.keyId);
  });

  it('are refused without a known key, and with any other byte', () => {
    expect(() => openNote(signed, [generateSigner('other').verifier])).toThrow(SignatureRefused);
    const bytes = Buffer.from(signed);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      const open = (): unknown => openNote(changed, [verifier]);
      expect(open, `byte ${at}`).toThrow();
    }
  });

  it.each([
    '',
    'text\n',
    'text\n\n',
    'text\n\n— a\n',
    'text\n\n— a AAAA\n',
    'text\n\n- a AAAAAAAA\n',
    'text\n\n— a AAAAAAAA',
    'a\tb\n\n— a AAAAAAAA\n',
  ])('refuse what is none: %j', (note) => expect(() => parseNote(note)).toThrow(Malformed));

  it('refuse keys that are none, and texts that cannot be signed', () => {
    const key = String(verifier);
    for (const bad of [
      '',
      'a+b',
      key.replace('c74f20a3', 'c74f20a4'),
      key.slice(0, -4),
      `${key}\n`,
      key.replace('ARpc', 'BRpc'),
      key.replace('P', ' '),
    ])
      expect(() => parseVerifier(bad), bad).toThrow(KeyRefused);
    expect(() => parseSigner(key)).toThrow(KeyRefused);
    for (const bad of ['', 'a b', 'a+b', 'a\nb']) expect(() => generateSigner(bad)).toThrow(KeyRefused);
    for (const bad of ['', 'no newline', 'a\tb\n']) expect(() => signNote(bad, [signer], NOW_SECONDS)).toThrow(Malformed);
  });
});

describe('checkpoints', () => {
  const log = generateSigner(ORIGIN);
  const keys = { current: [log.verifier], former: [] };
  const checkpoint = checkpointOf(5, EMPTY_ROOT);
  const text = formatCheckpoint(checkpoint);

  it('say what they say', () => {
    expect(text.split('\n').slice(0, 5)).toEqual([ORIGIN, '5', EMPTY_ROOT.toString('base64'), `nva log ${LOG_ID}`, 'nva position 13']);
    expect(parseCheckpoint(text)).toEqual({ ...checkpoint, others: [] });
    expect(parseCheckpoint(`${text}later line\n`).others).toEqual(['later line']);
    expect(openCheckpoint(noteOf(5, EMPTY_ROOT, [log]), ORIGIN, keys).size).toBe(5);
  });

  it('are refused where they are none', () => {
    for (const [from, to] of [
      ['\n5\n', '\n05\n'],
      ['\n5\n', '\n-5\n'],
      ['position 13', 'position 4'],
      ['nva log', 'nva lag'],
      ['nva position', 'nva log'],
    ])
      expect(() => parseCheckpoint(text.replace(from!, to!)), to).toThrow(Malformed);
    expect(() => parseCheckpoint(`${text}nva position 14\n`)).toThrow(Malformed);
    expect(() => parseCheckpoint(text.slice(0, -1))).toThrow(Malformed);
  });

  it('need the signature of the log, by a key that was good then', () => {
    const cosigner = generateSigner(ORIGIN).asCosigner();
    const open = (
      note: string,
      known: typeof keys | { current: never[]; former: { verifier: typeof log.verifier; untilSize: number }[] },
    ): unknown => openCheckpoint(note, ORIGIN, known);
    expect(() => open(noteOf(5, EMPTY_ROOT, [cosigner]), { current: [cosigner.verifier], former: [] })).toThrow(/only others/);
    expect(() => openCheckpoint(noteOf(5, EMPTY_ROOT, [log]), 'another', keys)).toThrow(SignatureRefused);
    expect(open(noteOf(5, EMPTY_ROOT, [log]), { current: [], former: [{ verifier: log.verifier, untilSize: 5 }] })).toBeDefined();
    expect(() => open(noteOf(6, EMPTY_ROOT, [log]), { current: [], former: [{ verifier: log.verifier, untilSize: 5 }] })).toThrow(
      SignatureRefused,
    );
  });
});

describe('tables', () => {
  it('are proven one by one, whatever order they came in', () => {
    const tables = Array.from({ length: 21 }, (_, i) => ({ vnid: (i * 11) % 21, digest: i.toString(16).padStart(16, '0') }));
    const root = tablesRoot(tables);
    expect(tablesRoot(tables.toReversed())).toEqual(root);
    for (const { vnid } of tables) {
      const proof = proveTable(tables, vnid)!;
      verifyTable(root, proof);
      expect(() => verifyTable(root, { ...proof, digest: 'f'.repeat(16) })).toThrow(ProofRefused);
      expect(() => verifyTable(root, { ...proof, vnid: 99 })).toThrow(ProofRefused);
    }
    expect(proveTable(tables, 99)).toBeNull();
    expect(() => tablesRoot([...tables, tables[0]!])).toThrow(Malformed);
    expect(() => tablesRoot([{ vnid: 1, digest: 'F'.repeat(16) }])).toThrow(Malformed);
  });
});

describe('leaves', () => {
  const leaf = { position: 2 ** 40, stream: 'ts-ä', revision: 2 ** 33, id: LOG_ID, event: Buffer.from('c301', 'hex') };

  it('are the bytes that the page says', () => {
    expect(encodeLeaf(leaf).toString('hex')).toBe(
      `010000010000000000${'0000000200000000'}0195f2a00000700080000000000000010005${'74732dc3a4'}c301`,
    );
    expect(decodeLeaf(encodeLeaf(leaf))).toEqual(leaf);
  });

  it('hold any event up to what fits, and the hash of a bigger one', () => {
    const room = MAX_ENTRY_BYTES - 40;
    for (const bytes of [1, room]) expect(decodeLeaf(encodeLeaf({ ...leaf, event: Buffer.alloc(bytes, 7) })).event?.length).toBe(bytes);
    const big = encodeLeaf({ ...leaf, event: Buffer.alloc(room + 1, 7) });
    expect(decodeLeaf(big)).toMatchObject({ event: null, eventBytes: room + 1, stream: 'ts-ä' });
    expect(big).not.toEqual(encodeLeaf({ ...leaf, event: Buffer.alloc(room + 1, 8) }));
    const small = Buffer.from(big);
    small.writeUInt32BE(room, small.length - 36);
    expect(() => decodeLeaf(small)).toThrow(Malformed);
  });

  it('are decoded to what encodes to the same bytes, or refused', () => {
    const bytes = encodeLeaf(leaf);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, value, length) => {
        const changed = Buffer.from(bytes.subarray(0, Math.max(length, at + 1)));
        changed[at] = value;
        try {
          const back = decodeLeaf(changed);
          if (back.event !== null) expect(encodeLeaf(back)).toEqual(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
      }),
      { seed: 5, numRuns: 2_000 },
    );
    for (const bad of [
      { position: 0 },
      { revision: -1 },
      { id: 'x' },
      { stream: '' },
      { stream: 'a'.repeat(1_025) },
      { event: Buffer.alloc(0) },
    ])
      expect(() => encodeLeaf({ ...leaf, ...bad })).toThrow(Malformed);
    expect(decodeLeaf(entryOf(7)).revision).toBe(1);
  });
});

describe('key files', () => {
  it('are their owner’s alone, and never overwritten', () => {
    const path = join(newFolder(), 'keys', 'log.key');
    const signer = generateKeyFile(path, ORIGIN);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(loadKeyFile(path).secret()).toBe(signer.secret());
    expect(() => generateKeyFile(path, ORIGIN)).toThrow(/not overwritten/);
    expect(loadKeyFile(path).secret()).toBe(signer.secret());
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(path, mode);
      expect(() => loadKeyFile(path), String(mode)).toThrow(/only its owner/);
    }
    chmodSync(path, 0o600);
    writeFileSync(path, 'nonsense');
    expect(() => loadKeyFile(path)).toThrow(KeyRefused);
  });

  it('are rotated; old checkpoints stay good, and the former key signs nothing newer', () => {
    const folder = newFolder();
    const [keyFile, known] = [join(folder, 'log.key'), join(folder, 'known')];
    const former = generateKeyFile(keyFile, ORIGIN);
    saveKnownKeys(known, { current: [former.verifier], former: [] });
    const current = rotateKey(keyFile, known, 10);
    expect(loadKeyFile(keyFile).secret()).toBe(current.secret());
    expect(existsSync(`${keyFile}.next`)).toBe(false);
    const keys = loadKnownKeys(known);
    expect(openCheckpoint(noteOf(10, EMPTY_ROOT, [former]), ORIGIN, keys).size).toBe(10);
    expect(() => openCheckpoint(noteOf(11, EMPTY_ROOT, [former]), ORIGIN, keys)).toThrow(SignatureRefused);
    expect(openCheckpoint(noteOf(11, EMPTY_ROOT, [current]), ORIGIN, keys).size).toBe(11);
    expect(readFileSync(known, 'utf8')).not.toContain('PRIVATE');
  });

  it('finish a rotation that was ended after any step', () => {
    for (const isKnown of [false, true]) {
      const folder = newFolder();
      const [keyFile, known] = [join(folder, 'log.key'), join(folder, 'known')];
      const former = generateKeyFile(keyFile, ORIGIN);
      const current = generateKeyFile(`${keyFile}.next`, ORIGIN);
      const rotated = { current: [current.verifier], former: [{ verifier: former.verifier, untilSize: 10 }] };
      saveKnownKeys(known, isKnown ? rotated : { current: [former.verifier], former: [] });
      expect(rotateKey(keyFile, known, 10).secret()).toBe(current.secret());
      expect(loadKeyFile(keyFile).secret()).toBe(current.secret());
      const { current: now, former: before } = loadKnownKeys(known);
      expect([now.map(String), before.map(({ verifier }) => String(verifier))]).toEqual([
        [String(current.verifier)],
        [String(former.verifier)],
      ]);
    }
  });
});
