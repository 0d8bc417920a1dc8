import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

export const root = join(import.meta.dirname, '../..');
const SKIPPED = new Set(['node_modules', 'dist', '.git', '.cache', 'data', 'coverage']);

/** Every file of the project with one of the endings, by path from the root, without what is installed, built or cached. */
export function trackedFiles(...endings: string[]): string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (SKIPPED.has(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (endings.some((ending) => entry.name.endsWith(ending))) found.push(relative(root, path));
    }
  };
  visit(root);
  return found.sort();
}
