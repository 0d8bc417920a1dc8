import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { generateSigner, TreeFile } from '@nva/transparency';
import { newFolder } from './folders.ts';
import { grow, LOG_ID, ORIGIN } from './support.ts';

/**
 * Somebody else's verifier: the packages by which Go's command checks the modules that it downloads. Without Go, or without the module,
 * this fails: a proof that nobody else has checked is no proof.
 */
const module = join(import.meta.dirname, 'go-verifier');
const program = join(newFolder(), 'go-verifier');
const log = generateSigner(ORIGIN);
const cosigner = generateSigner('nva.example/admin-2').asCosigner();
const STEPS = [1, 2, 200, 256, 257, 600, 1_337];

function go(...args: string[]): void {
  try {
    execFileSync('go', args, { cwd: module, env: { ...process.env, GOFLAGS: '-mod=readonly' }, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    throw new Error(`«go ${args.join(' ')}» failed: is Go 1.26 installed, and can it get golang.org/x/mod? ${String(error)}`, {
      cause: error,
    });
  }
}

function tree(): string {
  const folder = newFolder();
  const file = TreeFile.open({ folder, origin: ORIGIN, logId: LOG_ID, isSynced: false });
  const former: { size: number; root: Buffer }[] = [];
  for (const size of STEPS) {
    grow(file, size, [log, cosigner]);
    former.push({ size, root: file.root() });
  }
  const proofs = former.map(({ size, root }) => ({
    Size: size,
    Root: root.toString('base64'),
    Proof: file.consistencyProof(size).map((hash) => hash.toString('base64')),
  }));
  writeFileSync(join(folder, 'former.json'), JSON.stringify(proofs));
  return folder;
}

const judge = (folder: string): { out: string; error: string } => {
  const { stdout, stderr } = spawnSync(program, [folder, String(log.verifier), String(cosigner.verifier)], { encoding: 'utf8' });
  return { out: stdout, error: stderr };
};

beforeAll(() => {
  go('vet', './...');
  go('build', '-o', program, '.');
});

it("is what Go's note and tlog packages prove: signatures, tiles, every record, every former tree", () => {
  expect(judge(tree())).toEqual({ out: `proved 1337 records and ${STEPS.length} former trees\n`, error: '' });
});

it.each(['checkpoint', 'tile/0/002', 'tile/0/005.p/57', 'tile/1/000.p/5', 'tile/entries/003', 'tile/entries/005.p/57'])(
  'is refused by them when a bit of %s is another',
  (name) => {
    const folder = tree();
    const bytes = readFileSync(join(folder, name));
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    writeFileSync(join(folder, name), bytes);
    const { out, error } = judge(folder);
    expect(out).toBe('');
    expect(error).not.toBe('');
  },
);
