import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kafkaBrokers } from '../kafka/brokers.ts';
import { blocksOf, documents, looksLikeShell } from './documents.ts';
import { root } from './files.ts';
import { LONG_RUNNING, Page } from './terminals.ts';

/** Shell commands that stand in a document as ```console, since they cannot be run here. */
const NOT_RUN: readonly (readonly [file: string, command: RegExp, reason: string])[] = [
  ['CONTRIBUTING.md', /^npm ci && npm test$/, 'this test is part of it'],
  [
    'docs/release.md',
    /^npm (?:ci && npm test|run (?:test:chaos|sim -- --minutes 5|bench))$/,
    'a release: this test is part of it, and the rest takes an hour',
  ],
  ['docs/deployment.md', /^kafka-configs\.sh /, 'needs brokers with users, and the tools of a Kafka distribution'],
  ['docker/README.md', /^docker compose |^--alter /, 'needs a container engine'],
  ['libs/eventstoredb/README.md', /^(?:eventstored |--node-port)/, 'needs an installed EventStoreDB'],
  ['libs/eventstoredb/README.md', /^EVENTSTORE_URL=\S+ (?:npx vitest|npm run cluster)/, 'needs a running EventStoreDB'],
  ['libs/eventstoredb/README.md', /^npx vitest run libs\/eventstoredb$/, 'a test run, of which npm test is one too'],
];

const pages = documents().map((file) => ({ file, blocks: blocksOf(file) }));
const runnable = pages.filter(({ blocks }) => blocks.some(({ language }) => language === 'sh'));
const namesKafka = /npm run kafka|127\.0\.0\.1:9092/;

describe.each(runnable)('$file', ({ file, blocks }) => {
  let page: Page;
  beforeAll(async () => {
    if (!existsSync(join(root, 'apps/nva/dist/main.js'))) throw new Error('nothing is built: npm run build');
    const typed = blocks.filter(({ language }) => language === 'sh').flatMap(({ lines }) => lines);
    page = await Page.open(typed.some((line) => namesKafka.test(line)) ? (await kafkaBrokers()).join(',') : null);
    // A page that starts no NVA is about one that runs.
    const [speaks, starts] = [/127\.0\.0\.1:3000/, LONG_RUNNING[0]![0]].map((pattern) => typed.some((line) => pattern.test(line)));
    if (speaks && !starts) await page.run({ file, line: 0, language: 'sh', terminal: 'nva', lines: ['npm start'] });
  });
  afterAll(() => page.close());

  it('does what it shows, in the order of the page', async () => {
    for (const block of blocks) {
      const step = block.language === 'sh' ? page.run(block) : block.language === 'output' ? page.shows(block) : null;
      await step?.catch((cause: unknown) => {
        throw new Error(`${file}:${block.line}: ${(cause as Error).message}`, { cause });
      });
    }
  });
});

describe('every document', () => {
  it.each(NOT_RUN)('of %s, %s is left to people: %s', (file, command) => {
    const lines = pages.find((page) => page.file === file)?.blocks.filter(({ language }) => language === 'console');
    expect(lines?.flatMap((block) => block.lines).some((line) => command.test(line.trim()))).toBe(true);
  });

  it('has what is to be typed in blocks of sh, which are run, or of console, with a reason', () => {
    const astray = pages.flatMap(({ file, blocks }) =>
      blocks
        .filter(({ language }) => !['sh', 'output', 'ts', 'json'].includes(language ?? ''))
        .flatMap(({ line, language, lines }) => {
          if (['bash', 'shell', 'zsh'].includes(language ?? '')) return [`${file}:${line}: ${language}, for sh`];
          const typed = language === 'console' ? lines.filter((text) => text.trim() !== '') : lines.filter(looksLikeShell);
          return typed.flatMap((text) =>
            language === 'console' && NOT_RUN.some(([of, command]) => of === file && command.test(text.trim()))
              ? []
              : [`${file}:${line}: ${text.trim()}`],
          );
        }),
    );
    expect(astray).toEqual([]);
    expect(runnable.length).toBeGreaterThan(5);
  });

  it('names scripts of package.json that there are', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    const named = pages.flatMap(({ file }) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)].map(([, name]) => `${file}: ${name}`),
    );
    expect(named.filter((entry) => scripts[entry.split(': ').at(-1)!] === undefined)).toEqual([]);
    expect(named.length).toBeGreaterThan(20);
  });
});
