import { parseSigner, TreeFile } from '@nva/transparency';
import { grow, LOG_ID, ORIGIN } from './support.ts';

/** Grows a tree, a checkpoint every 100 leaves, until it is killed. A line for each checkpoint. */
const [folder, secret] = process.argv.slice(2) as [string, string];
const tree = TreeFile.open({ folder, origin: ORIGIN, logId: LOG_ID });
while (tree.size < 1_000_000) {
  grow(tree, tree.size + 100, [parseSigner(secret)]);
  process.stdout.write(`${tree.size}\n`);
}
