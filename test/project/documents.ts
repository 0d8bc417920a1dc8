import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, trackedFiles } from './files.ts';

/**
 * The documents of the project, and what stands in them to be typed. By convention
 *
 * - a block ```sh is run by `documents.e2e.spec.ts`, in the order of the page. Blocks of one page share a folder. ```sh feed is typed
 *   into a terminal of that name; what still runs in it is ended by Ctrl-C first. Without a name it is a terminal too;
 * - a block ```output, or ```output feed, is what that terminal shows next: line by line, «…» being anything within a line, and a line
 *   «…» any number of lines;
 * - what is to be typed and cannot be run here is ```console, and stands in `NOT_RUN` there with the reason.
 */
export interface Block {
  readonly file: string;
  /** Of its first line, from 1 on. */
  readonly line: number;
  /** First word of the info string; null for an indented block. */
  readonly language: string | null;
  /** Second word of it, '' if there is none. */
  readonly terminal: string;
  readonly lines: readonly string[];
}

export const documents = (): readonly string[] => trackedFiles('.md');

/** Fenced blocks, and lines that are indented as code, in the order of the page. */
export function blocksOf(file: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { fence: string; indent: number; block: Block & { lines: string[] } } | null = null;
  for (const [i, line] of readFileSync(join(root, file), 'utf8').split('\n').entries()) {
    const [, indent, fence, language = '', terminal = ''] = /^( *)(`{3,})(\S*) *(\S*)\s*$/.exec(line) ?? [];
    if (open) {
      if (fence !== undefined && fence.startsWith(open.fence) && language === '') open = null;
      else open.block.lines.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)));
    } else if (fence !== undefined) {
      const block = { file, line: i + 2, language, terminal, lines: [] };
      open = { fence, indent: indent!.length, block };
      blocks.push(block);
    } else if (/^(?: {4,}|\t)\S/.test(line)) {
      blocks.push({ file, line: i + 1, language: null, terminal: '', lines: [line.trim()] });
    }
  }
  if (open) throw new Error(`${file}: the block of line ${open.block.line} has no end`);
  return blocks;
}

const COMMANDS =
  'apt apt-get awk bash cat cd chmod cp curl docker echo eventstored export for fuser git grep java jq kill kubectl kurrentd ls make mkdir mv mvn node npm npx openssl podman printf ps rm sed sh ssh sudo systemctl tail tar timeout vitest while';
const SHELL = new RegExp(`^(?:[$#] )?(?:\\w+=\\S* )*(?:${COMMANDS.replaceAll(' ', '|')}|\\S*\\.sh)(?: |$)`);

/** Whether somebody would type the line into a shell. */
export const looksLikeShell = (line: string): boolean => SHELL.test(line.trim());
