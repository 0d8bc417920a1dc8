import { describe, expect, it } from 'vitest';
import { generateSigner, leafHash, SignatureRefused, verifyLog } from '@nva/transparency';
import { entriesOf, entryOf, noteOf, ORIGIN, positionAt, rootOf } from './support.ts';

const log = generateSigner(ORIGIN);
const keys = { current: [log.verifier], former: [] };
const entries = entriesOf(400);
const noteAt = (size: number): string => noteOf(size, rootOf(entries.slice(0, size)), [log]);
const checkpoints = [noteAt(400), noteAt(0), noteAt(150)];
const leafHashes = entries.map(leafHash);
const verify = (given: readonly Buffer[], hashes?: readonly Buffer[]) =>
  verifyLog({ entries: given, checkpoints, origin: ORIGIN, keys, leafHashes: hashes });

describe('a log is held against its checkpoints', () => {
  it('and holds, with what nobody has signed yet', async () => {
    const more = [...entries, entryOf(400), entryOf(401)];
    expect(await verify(more)).toMatchObject({ holds: true, size: 402, unsigned: 2, position: positionAt(401) });
    expect(await verify(entries, leafHashes)).toMatchObject({ holds: true, size: 400, unsigned: 0 });
  });

  const at = (i: number, ...instead: Buffer[]): Buffer[] => [...entries.slice(0, i), ...instead, ...entries.slice(i + 1)];
  const swapped = (i: number, j: number): Buffer[] => entries.with(i, entries[j]!).with(j, entries[i]!);

  it('and every event that is changed, removed, inserted or swapped is named', async () => {
    for (let i = 0; i < 400; i += 13) {
      const size = i < 150 ? 150 : 400;
      const expected = { holds: false, index: i, evidence: 'signed', size };
      const next = i + 1 < 400 ? positionAt(i + 1) : positionAt(i - 1);
      expect(await verify(at(i, entryOf(i, 'another')), leafHashes)).toMatchObject({
        ...expected,
        fault: 'changed',
        position: positionAt(i),
      });
      expect(await verify(at(i), leafHashes)).toMatchObject({ ...expected, fault: 'removed', position: next });
      expect(await verify(at(i, entryOf(9_000), entries[i]!), leafHashes)).toMatchObject({ ...expected, fault: 'inserted' });
      if (i + 3 < size)
        expect(await verify(swapped(i, i + 3), leafHashes)).toMatchObject({ ...expected, fault: 'swapped', position: positionAt(i + 3) });
    }
  });

  it('and a cut end is named, with the hashes and without', async () => {
    const cut = { holds: false, fault: 'cut', index: 390, position: positionAt(389), size: 400, provenSize: 150 };
    expect(await verify(entries.slice(0, 390))).toMatchObject({ ...cut, evidence: 'order' });
    expect(await verify(entries.slice(0, 390), leafHashes)).toMatchObject({ ...cut, evidence: 'signed' });
  });

  it('and without hashes the events tell what they can', async () => {
    // The next event of the same stream misses one before it.
    expect(await verify(at(200))).toMatchObject({ holds: false, fault: 'removed', index: 204, evidence: 'order', provenSize: 150 });
    expect(await verify(swapped(200, 201))).toMatchObject({ holds: false, fault: 'swapped', index: 201, evidence: 'order' });
    expect(await verify(at(200, entryOf(200, 'another')))).toMatchObject({
      fault: 'unknown',
      index: 150,
      provenSize: 150,
      evidence: 'none',
    });
  });

  it('and hashes that no checkpoint bears out are not taken for signed', async () => {
    const forged = leafHashes.with(220, leafHash(Buffer.from('forged')));
    expect(await verify(at(200, entryOf(200, 'another')), forged)).toMatchObject({ index: 200, evidence: 'unsigned' });
    expect(await verify(entries, forged)).toMatchObject({ holds: true });
  });

  it('and two checkpoints of one size must have one root', async () => {
    const other = noteOf(150, rootOf(entries.slice(1, 151)), [log]);
    expect(await verifyLog({ entries, checkpoints: [...checkpoints, other], origin: ORIGIN, keys })).toMatchObject({
      holds: false,
      size: 150,
    });
  });

  it('and a checkpoint that nobody known has signed is refused', async () => {
    const stranger = noteOf(150, rootOf(entries.slice(0, 150)), [generateSigner(ORIGIN)]);
    await expect(verifyLog({ entries, checkpoints: [stranger], origin: ORIGIN, keys })).rejects.toThrow(SignatureRefused);
  });
});
