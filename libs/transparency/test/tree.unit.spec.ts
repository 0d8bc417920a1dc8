import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  consistencyProof,
  decodeBundle,
  EMPTY_ROOT,
  encodeBundle,
  Frontier,
  hashesOfTiles,
  inclusionProof,
  leafHash,
  Malformed,
  OutOfTree,
  parseTilePath,
  ProofRefused,
  rootAt,
  tilePath,
  tilesBetween,
  tileWidth,
  verifyConsistency,
  verifyInclusion,
  type Hashes,
  type TileId,
} from '@nva/transparency';

/** RFC 6962 as it is written, with nothing kept. */
const sha = (...parts: Uint8Array[]): Buffer => hash('sha256', Buffer.concat(parts), 'buffer');
const split = (count: number): number => 2 ** Math.ceil(Math.log2(count) - 1);
const mth = (leaves: readonly Buffer[]): Buffer =>
  leaves.length === 0
    ? sha()
    : leaves.length === 1
      ? sha(Buffer.from([0]), leaves[0]!)
      : sha(Buffer.from([1]), mth(leaves.slice(0, split(leaves.length))), mth(leaves.slice(split(leaves.length))));
const path = (m: number, leaves: readonly Buffer[]): Buffer[] => {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m < k ? [...path(m, left), mth(right)] : [...path(m - k, right), mth(left)];
};
const subproof = (m: number, leaves: readonly Buffer[], whole: boolean): Buffer[] => {
  if (m === leaves.length) return whole ? [] : [mth(leaves)];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m <= k ? [...subproof(m, left, whole), mth(right)] : [...subproof(m - k, right, false), mth(left)];
};

const leavesOf = (count: number): Buffer[] => Array.from({ length: count }, (_, i) => Buffer.from(`leaf ${i}`));

function treeOf(leaves: readonly Buffer[]): { frontier: Frontier; hashes: Hashes } {
  const nodes = new Map<string, Buffer>();
  const frontier = new Frontier();
  for (const leaf of leaves) frontier.append(leafHash(leaf), (level, index, node) => nodes.set(`${level}/${index}`, node));
  return { frontier, hashes: { at: (level, index) => nodes.get(`${level}/${index}`)! } };
}

/** All tiles of a tree, by path, as a server would have them. */
function tilesOf(hashes: Hashes, size: number): Map<string, Buffer> {
  const tiles = new Map<string, Buffer>();
  for (const tile of tilesBetween(0, size)) {
    const { level, index, width } = tile;
    if (level === 'entries') continue;
    const rows = Array.from({ length: width }, (_, i) => hashes.at(level * 8, index * 256 + i));
    tiles.set(tilePath(tile), Buffer.concat(rows));
  }
  return tiles;
}

describe('the tree', () => {
  // The leaves and roots of the reference implementation of Certificate Transparency.
  it('has the roots of the reference implementation', () => {
    const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
    const roots = [
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ];
    const { hashes } = treeOf(leaves.map((leaf) => Buffer.from(leaf, 'hex')));
    expect(roots.map((_, size) => rootAt(hashes, size).toString('hex'))).toEqual(roots);
    expect(EMPTY_ROOT.toString('hex')).toBe(roots[0]);
  });

  it('has the roots and proofs of RFC 6962, and its proofs hold', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 8 }), { minLength: 1, maxLength: 70 }), fc.nat(), fc.nat(), (entries, i, m) => {
        const leaves = entries.map((entry) => Buffer.from(entry));
        const size = leaves.length;
        const [index, older] = [i % size, m % (size + 1)];
        const { frontier, hashes } = treeOf(leaves);
        expect(frontier.root()).toEqual(mth(leaves));
        expect(rootAt(hashes, size)).toEqual(mth(leaves));
        const inclusion = inclusionProof(hashes, index, size);
        expect(inclusion).toEqual(path(index, leaves));
        verifyInclusion(frontier.root(), size, index, leafHash(leaves[index]!), inclusion);
        const consistency = consistencyProof(hashes, older, size);
        if (older > 0) expect(consistency).toEqual(subproof(older, leaves, true));
        verifyConsistency({ size: older, root: mth(leaves.slice(0, older)) }, { size, root: frontier.root() }, consistency);
      }),
      { seed: 6962, numRuns: 200 },
    );
  });

  it('refuses every proof that is another in one thing', () => {
    const leaves = leavesOf(40);
    const { frontier, hashes } = treeOf(leaves);
    const root = frontier.root();
    for (let index = 0; index < leaves.length; index++) {
      const proof = inclusionProof(hashes, index, 40);
      const leaf = leafHash(leaves[index]!);
      const refused = (call: () => void): void => expect(call, `leaf ${index}`).toThrow(ProofRefused);
      for (let other = 0; other < 41; other++) if (other !== index) refused(() => verifyInclusion(root, 40, other, leaf, proof));
      refused(() => verifyInclusion(root, 40, index, leafHash(Buffer.from('another')), proof));
      refused(() => verifyInclusion(mth(leaves.slice(1)), 40, index, leaf, proof));
      refused(() => verifyInclusion(root, 40, index, leaf, proof.slice(1)));
      refused(() => verifyInclusion(root, 40, index, leaf, [...proof, root]));
      for (let i = 0; i < proof.length; i++) refused(() => verifyInclusion(root, 40, index, leaf, proof.with(i, root)));
      if (index === 0) continue;
      const older = { size: index, root: rootAt(hashes, index) };
      const newer = { size: 40, root };
      const between = consistencyProof(hashes, index, 40);
      verifyConsistency(older, newer, between);
      refused(() => verifyConsistency({ ...older, root }, newer, between));
      refused(() => verifyConsistency(older, { ...newer, root: older.root }, between));
      refused(() => verifyConsistency(newer, older, between));
      refused(() => verifyConsistency(older, newer, between.slice(1)));
      refused(() => verifyConsistency(older, newer, [...between, root]));
      for (let i = 0; i < between.length; i++) refused(() => verifyConsistency(older, newer, between.with(i, root)));
    }
  });

  it('refuses sizes and indices that are none', () => {
    const { hashes } = treeOf(leavesOf(4));
    for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => rootAt(hashes, size)).toThrow(OutOfTree);
    expect(() => inclusionProof(hashes, 4, 4)).toThrow(OutOfTree);
    expect(() => consistencyProof(hashes, 5, 4)).toThrow(OutOfTree);
    expect(() => verifyConsistency({ size: 0, root: leafHash(Buffer.alloc(0)) }, { size: 1, root: EMPTY_ROOT }, [])).toThrow(ProofRefused);
    expect(() =>
      verifyInclusion(
        EMPTY_ROOT,
        2 ** 53 - 1,
        0,
        EMPTY_ROOT,
        Array.from({ length: 60 }, () => EMPTY_ROOT),
      ),
    ).toThrow(ProofRefused);
  });

  it('goes on from its frontier', () => {
    const leaves = leavesOf(300);
    const { hashes } = treeOf(leaves);
    for (let size = 0; size < 300; size++) {
      const frontier = Frontier.of(hashes, size);
      expect(frontier.root()).toEqual(rootAt(hashes, size));
      frontier.append(leafHash(leaves[size]!));
      expect(frontier.root()).toEqual(rootAt(hashes, size + 1));
    }
  });
});

describe('tiles', () => {
  it('have the paths of tlog-tiles, and no others', () => {
    const paths: [TileId, string][] = [
      [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
      [{ level: 0, index: 1_234_067, width: 256 }, 'tile/0/x001/x234/067'],
      [{ level: 2, index: 1_000, width: 1 }, 'tile/2/x001/000.p/1'],
      [{ level: 'entries', index: 273, width: 112 }, 'tile/entries/273.p/112'],
    ];
    for (const [tile, at] of paths) {
      expect(tilePath(tile)).toBe(at);
      expect(parseTilePath(at)).toEqual(tile);
    }
    const none = ['tile/0/0', 'tile/00/000', 'tile/0/x000/001', 'tile/0/x001/2', 'tile/0/000.p/256', 'tile/0/000.p/0', 'tile/0/000.p/01'];
    none.push(
      'tile/7/000',
      'tile/entries/../000',
      '/tile/0/000',
      'tile/0/000/',
      'tile/0/000\n',
      'tile/x/000',
      'tile/0/x999/x999/x999/x999/x999/999',
      '',
    );
    for (const at of none) expect(parseTilePath(at), at).toBeNull();
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.integer({ min: 1, max: 256 }),
        fc.constantFrom(0, 3, 6, 'entries' as const),
        (index, width, level) => {
          expect(parseTilePath(tilePath({ level, index, width }))).toEqual({ level, index, width });
        },
      ),
      { seed: 1 },
    );
  });

  it('of a step are those that are new, and all steps together those of the tree', () => {
    for (const steps of [
      [0, 1, 255, 256, 257, 70_000],
      [0, 65_536, 65_792, 66_000],
      [0, 300, 300, 511],
    ]) {
      const full = new Set<string>();
      let last: TileId[] = [];
      for (const [i, to] of steps.slice(1).entries()) {
        last = [...tilesBetween(steps[i]!, to)];
        for (const tile of last) {
          expect(tile.width).toBe(tileWidth(tile.level, tile.index, to));
          if (tile.width === 256) expect(full.has(tilePath(tile))).toBe(false);
          if (tile.width === 256) full.add(tilePath(tile));
        }
      }
      const all = [...tilesBetween(0, steps.at(-1)!)].filter((tile) => tile.width === 256).map(tilePath);
      expect([...full].toSorted()).toEqual(all.toSorted());
    }
    expect([...tilesBetween(0, 257)].map(tilePath)).toEqual([
      'tile/0/000',
      'tile/entries/000',
      'tile/0/001.p/1',
      'tile/entries/001.p/1',
      'tile/1/000.p/1',
    ]);
    expect([...tilesBetween(256, 256)]).toEqual([]);
  });

  it('are enough for every root and proof', () => {
    const leaves = leavesOf(66_100);
    const { hashes } = treeOf(leaves);
    for (const size of [1, 255, 256, 257, 1_000, 65_536, 65_537, 66_100]) {
      const tiles = tilesOf(hashes, size);
      const fromTiles = hashesOfTiles((tile) => tiles.get(tilePath(tile))!, size);
      const root = rootAt(fromTiles, size);
      expect(root).toEqual(rootAt(hashes, size));
      for (const index of [0, Math.floor(size / 3), size - 1]) {
        verifyInclusion(root, size, index, leafHash(leaves[index]!), inclusionProof(fromTiles, index, size));
        verifyConsistency({ size: index, root: rootAt(fromTiles, index) }, { size, root }, consistencyProof(fromTiles, index, size));
      }
      expect(() => fromTiles.at(0, size)).toThrow(OutOfTree);
    }
    expect(() => hashesOfTiles(() => Buffer.alloc(31), 1).at(0, 0)).toThrow(Malformed);
  });

  it('of entries say each entry, and nothing else is a bundle', () => {
    const bundle = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 });
    fc.assert(
      fc.property(bundle, fc.nat(), (entries, cut) => {
        const bytes = encodeBundle(entries);
        expect(decodeBundle(bytes, entries.length).map((entry) => [...entry])).toEqual(entries.map((entry) => [...entry]));
        expect(() => decodeBundle(bytes.subarray(0, cut % bytes.length), entries.length)).toThrow(Malformed);
        expect(() => decodeBundle(Buffer.concat([bytes, Buffer.alloc(1)]), entries.length)).toThrow(Malformed);
      }),
      { seed: 2 },
    );
    expect(encodeBundle([Buffer.from('abc'), Buffer.alloc(0)]).toString('hex')).toBe('00036162630000');
    expect(decodeBundle(encodeBundle([Buffer.alloc(65_535)]), 1)[0]!.length).toBe(65_535);
    expect(() => encodeBundle([Buffer.alloc(65_536)])).toThrow(Malformed);
    expect(() => encodeBundle([])).toThrow(Malformed);
  });
});
