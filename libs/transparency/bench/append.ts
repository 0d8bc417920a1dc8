import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeLeaf, Frontier, leafHash, TreeFile } from '@nva/transparency';

/** Leaves per second, in memory and into files: `node --conditions=source libs/transparency/bench/append.ts`. */
const LEAVES = 500_000;
const ID = '0195f2a0-0000-7000-8000-000000000001';
const event = Buffer.alloc(150, 7);
const entryOf = (i: number): Buffer => encodeLeaf({ position: i + 1, stream: `ts-${i % 1_000}`, revision: i, id: ID, event });

function measure(name: string, append: (i: number) => void): void {
  const start = process.hrtime.bigint();
  for (let i = 0; i < LEAVES; i++) append(i);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  process.stdout.write(`${name}: ${Math.round(LEAVES / seconds)} leaves/s\n`);
}

const frontier = new Frontier();
measure('in memory', (i) => frontier.append(leafHash(entryOf(i))));
const folder = mkdtempSync(join(tmpdir(), 'nva-tree-bench-'));
for (const isSynced of [false, true]) {
  const tree = TreeFile.open({ folder: join(folder, String(isSynced)), origin: 'bench', logId: ID, isSynced });
  measure(isSynced ? 'into files, synced' : 'into files', (i) => tree.append(i, entryOf(i)));
}
rmSync(folder, { recursive: true });
