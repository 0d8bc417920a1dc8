import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root, trackedFiles } from './files.ts';
import { requirementsMap, requirementsPage, requirementsPath } from './requirements-map.ts';

/** What each library may import of ours. One-directional: nothing here may name something further down. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  'identifiers': [],
  'codec': ['identifiers'],
  'ports': ['identifiers', 'codec'],
  'processes': ['ports'],
  'domain': ['identifiers', 'codec'],
  'fold': ['identifiers', 'codec', 'domain', 'ports'],
  'commands': ['identifiers', 'codec', 'domain'],
  'event-log': ['identifiers', 'codec', 'ports'],
  'eventstoredb': ['identifiers', 'codec', 'ports'],
  'in-process-feed': ['codec', 'ports'],
  'kafka': ['identifiers', 'codec', 'ports'],
  'nve': ['identifiers', 'codec', 'ports'],
  'snapshots': ['codec', 'fold', 'ports'],
  'history': ['codec', 'fold', 'ports'],
  'transparency': ['identifiers', 'codec', 'ports'],
  'replica': ['codec', 'fold', 'ports'],
  'audit': ['codec', 'domain', 'fold', 'history', 'identifiers', 'nve', 'ports', 'replica', 'snapshots'],
  'registrar': ['identifiers', 'codec', 'domain', 'fold', 'ports', 'replica'],
  'replay': ['codec', 'fold', 'identifiers', 'ports'],
  'what-if': ['codec', 'commands', 'domain', 'fold', 'identifiers', 'ports', 'registrar'],
  'distributor': ['codec', 'domain', 'fold', 'identifiers', 'ports', 'replica'],
};

/** No I/O, no clock: these run a million times a second in a simulation, a browser or a command line. */
const PURE = ['identifiers', 'codec', 'domain', 'fold', 'commands', 'what-if'];
const PURE_NODE_MODULES = new Set(['node:crypto', 'node:zlib']);

/** Each of these libraries of others stands behind one of ours. */
const BEHIND: Readonly<Record<string, string | readonly string[]>> = {
  'kafkajs': 'libs/kafka/',
  'avsc': 'libs/codec/',
  // The log and the history are files of their own, with nothing in common but SQLite.
  'node:sqlite': ['libs/event-log/', 'libs/history/'],
  '@eventstore/db-client': 'libs/eventstoredb/',
  '@grpc/grpc-js': 'test/eventstore/',
  '@nestjs/': 'apps/',
};

const MAX_LINES = 500;

const isTest = (file: string): boolean =>
  /\.spec\.ts$|\/test\/|^test\/|\/testing\/|\/bench\/|\/tools\/|^apps\/(?:bench|demo|sim)\//.test(file);
const text = (file: string): string => readFileSync(join(root, file), 'utf8');
const sources = trackedFiles('.ts').filter((file) => /^(?:libs|apps|test)\//.test(file));
const product = sources.filter((file) => !isTest(file) && file.includes('/src/'));
const importsOf = (file: string): string[] =>
  [...text(file).matchAll(/(?<!')(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
const libraryOf = (file: string): string | null => /^libs\/([^/]+)\/src\//.exec(file)?.[1] ?? null;

describe('imports', () => {
  it('go one way between our libraries, and only where the layers allow it', () => {
    const wrong: string[] = [];
    for (const file of sources.filter((f) => libraryOf(f) && !f.endsWith('.spec.ts'))) {
      const library = libraryOf(file)!;
      for (const name of importsOf(file)) {
        const target = /^@nva\/([^/]+)/.exec(name)?.[1];
        if (target && target !== library && !LAYERS[library]?.includes(target)) wrong.push(`${file} imports ${name}`);
      }
    }
    expect(wrong).toEqual([]);
    const known = new Set(sources.map(libraryOf).filter((name) => name !== null));
    for (const library of known) expect(LAYERS, `${library} has no place in the layers`).toHaveProperty([library]);
  });

  it('of a library stand in its package.json', () => {
    const missing: string[] = [];
    for (const file of product) {
      const folder = file.split('/').slice(0, 2).join('/');
      const manifest = JSON.parse(text(`${folder}/package.json`)) as {
        name: string;
        dependencies?: Record<string, string>;
        optionalDependencies?: Record<string, string>;
      };
      for (const name of importsOf(file)) {
        if (/^(?:\.|node:|#)/.test(name)) continue;
        const bare = name.startsWith('@') ? name.split('/').slice(0, 2).join('/') : name.split('/')[0]!;
        if (bare !== manifest.name && !manifest.dependencies?.[bare] && !manifest.optionalDependencies?.[bare])
          missing.push(`${file} imports ${name}`);
      }
    }
    expect(missing).toEqual([]);
  });

  it('never reach into another package by path', () => {
    const wrong = product.flatMap((file) => {
      const folder = join(root, file.split('/').slice(0, 2).join('/'));
      return importsOf(file)
        .filter((name) => name.startsWith('.') && !join(root, file, '..', name).startsWith(folder))
        .map((name) => `${file} imports ${name}`);
    });
    expect(wrong).toEqual([]);
  });

  it('of the pure libraries do no I/O', () => {
    const wrong = product
      .filter((file) => PURE.includes(libraryOf(file) ?? ''))
      .flatMap((file) =>
        importsOf(file)
          .filter((name) => name.startsWith('node:') && !PURE_NODE_MODULES.has(name))
          .map((name) => `${file} imports ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  it.each(Object.entries(BEHIND))('of %s are in %s only', (name, place) => {
    expect(
      sources.filter(
        (file) =>
          ![place].flat().some((room) => file.startsWith(room)) &&
          !isTest(file) &&
          importsOf(file).some((i) => i === name || (name.endsWith('/') && i.startsWith(name))),
      ),
    ).toEqual([]);
  });
});

/** The rooms of apps/service: each may use those before it. */
const ROOMS = [
  'config',
  'refusals',
  'access',
  'turns',
  'streams',
  'log',
  'core',
  'reads',
  'tlog',
  'audit',
  'commands',
  'http',
  'routes',
  'commands-over-kafka',
  'observability',
  'process',
];

describe('apps/service', () => {
  const home = 'apps/service/src/';
  const files = product.filter((file) => file.startsWith(home) && file !== `${home}index.ts`);
  const roomOf = (file: string): string => file.slice(home.length).split('/')[0]!;
  const localsOf = (file: string): string[] =>
    importsOf(file)
      .filter((name) => name.startsWith('.'))
      .map((name) => join(file, '..', name));

  it('has every file in a room, and each room uses those before it only', () => {
    const wrong = files.flatMap((file) =>
      localsOf(file)
        .filter((other) => !ROOMS.slice(0, ROOMS.indexOf(roomOf(file)) + 1).includes(roomOf(other)))
        .map((other) => `${file} imports ${other}`),
    );
    expect(wrong).toEqual([]);
    expect([...new Set(files.map(roomOf))].toSorted()).toEqual(ROOMS.toSorted());
  });

  it('has no circle of files', () => {
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, way: readonly string[]): void => {
      if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' > '));
      if (done.has(file) || way.includes(file)) return;
      for (const other of localsOf(file)) visit(other, [...way, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });
});

describe('the code', () => {
  it.each([
    ['the wall clock', /\bDate\.now\(|new Date\(\)|\bperformance\.now\(/, 'libs/ports/src/clock.ts'],
    ['chance', /\bMath\.random\(/, null],
    ['the console', /\bconsole\.\w+\(/, null],
  ])('has %s in one place', (_, pattern, place) => {
    expect(product.filter((file) => file !== place && pattern.test(text(file)))).toEqual([]);
  });

  it('waits and names in libraries only by the ports, so that the simulator can do both', () => {
    const places = ['libs/ports/src/clock.ts', 'libs/ports/src/ids.ts'];
    const pattern = /\b(?:setTimeout|setInterval|setImmediate|randomUUID)\b|\bperformance\.now\b|\bnode:timers\b/;
    expect(product.filter((file) => file.startsWith('libs/') && !places.includes(file) && pattern.test(text(file)))).toEqual([]);
  });

  it('leaves HTTP statuses to the applications', () => {
    const pattern = /\b(?:statusCode|httpStatus)\b|\bstatus\s*[:=]\s*[1-5]\d\d\b/;
    expect(product.filter((file) => file.startsWith('libs/') && !file.startsWith('libs/nve/src/sse') && pattern.test(text(file)))).toEqual(
      [],
    );
  });

  it('has no file that cannot be read in one sitting', () => {
    const long = sources
      .filter((file) => !file.includes('/generated/') && !file.endsWith('.spec.ts'))
      .map((file) => `${file}: ${text(file).split('\n').length}`);
    expect(long.filter((entry) => Number(entry.split(': ')[1]) > MAX_LINES)).toEqual([]);
  });

  it('has no line of a comment longer than the formatter allows code to be', () => {
    const { printWidth } = JSON.parse(text('.oxfmtrc.json')) as { printWidth: number };
    const isLong = (line: string): boolean => line.length > printWidth && /^\s*(?:\/\/|\/?\*)/.test(line);
    const written = sources.filter((file) => !file.includes('/generated/'));
    const longIn = (file: string): string[] =>
      text(file)
        .split('\n')
        .flatMap((line, i) => (isLong(line) ? [`${file}:${i + 1}`] : []));
    expect(written.flatMap(longIn)).toEqual([]);
  });

  it('has no litter: focused or skipped tests, open ends, switched-off checks', () => {
    const here = 'test/project/tidy.unit.spec.ts';
    const pattern = /\b(?:it|describe|test)\.(?:only|skip|todo)\b|\b(?:TODO|FIXME|XXX|HACK)\b|@ts-(?:ignore|nocheck)|\bas any\b|: any\b/;
    expect(sources.filter((file) => file !== here && !file.includes('/generated/') && pattern.test(text(file)))).toEqual([]);
  });

  it('names its tests by what they cost', () => {
    expect(sources.filter((file) => file.endsWith('.spec.ts') && !/\.(?:unit|int|e2e|sim)\.spec\.ts$/.test(file))).toEqual([]);
  });

  it('keeps download addresses out of the lock file', () => {
    expect(text('package-lock.json')).not.toMatch(/"resolved": "http/);
  });
});

describe('the pages of the project', () => {
  /** Headings, and what begins a paragraph in bold. */
  const namesIn = (page: string): string[] =>
    [...text(page).matchAll(/^#+ (.+)$|^(?:- )?\*\*(.+?)\*\*/gm)].map(([, heading, bold]) => (heading ?? bold)!.replaceAll('`', ''));
  const PAGES: readonly (readonly [cited: RegExp, page: (name: string) => string])[] = [
    [/\(?contract, «([^»]+)»/g, () => 'docs/contract.md'],
    [/\(?ARCHITECTURE, «([^»]+)»/g, () => 'ARCHITECTURE.md'],
    [/\(?design\/(\w+), «([^»]+)»/g, (page) => `docs/design/${page}.md`],
    [/«([^»]+)» in docs\/operations\.md/g, () => 'docs/operations.md'],
  ];

  it('have what comments cite', () => {
    const missing: string[] = [];
    let cited = 0;
    for (const file of sources.filter((one) => one !== 'test/project/tidy.unit.spec.ts')) {
      for (const [pattern, pageOf] of PAGES) {
        for (const [whole, ...names] of text(file)
          .replaceAll(/\n\s*(?:\*|\/\/) ?/g, ' ')
          .matchAll(pattern)) {
          cited++;
          const page = pageOf(names[0]!);
          if (!existsSync(join(root, page)) || !namesIn(page).some((name) => name.startsWith(names.at(-1)!)))
            missing.push(`${file}: ${whole}`);
        }
      }
    }
    expect(missing).toEqual([]);
    expect(cited).toBeGreaterThan(25);
  });

  it('link to pages, and to places in them, that there are', () => {
    const slug = (name: string): string =>
      name
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-');
    const broken = trackedFiles('.md').flatMap((page) =>
      [...text(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(([link, target, anchor]) => {
        const file = target === '' ? page : join(page, '..', target!);
        const isThere =
          existsSync(join(root, file)) && (anchor === undefined || !file.endsWith('.md') || namesIn(file).map(slug).includes(anchor));
        return isThere ? [] : [`${page}: ${link}`];
      }),
    );
    expect(broken).toEqual([]);
  });

  it('have a glossary whose words of the code are in the code', () => {
    const words = [...text('docs/glossary.md').matchAll(/^\|[^|]+\|[^|]+\|([^|]+)\|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`(\w+)`/g)].map(([, word]) => word!),
    );
    const code = [...product, 'libs/codec/src/generated/types.ts'].map(text).join('\n');
    expect(words.filter((word) => !new RegExp(`\\b${word}\\b`).test(code))).toEqual([]);
    expect(words.length).toBeGreaterThan(40);
  });

  it('name files that there are', () => {
    const gone = trackedFiles('.md')
      .filter((page) => page.startsWith('docs/design/') || page === 'ARCHITECTURE.md')
      .flatMap((page) =>
        [...text(page).matchAll(/`((?:libs|apps|test|schemas|docker|docs)\/[\w./-]+?)`/g)].flatMap(([, file]) =>
          existsSync(join(root, file!)) || existsSync(join(root, `${file}.ts`)) ? [] : [`${page}: ${file}`],
        ),
      );
    expect(gone).toEqual([]);
  });
});

describe('docs/requirements.md', () => {
  it('is what the tests say now (npm run docs)', () => {
    expect(existsSync(requirementsPath) && readFileSync(requirementsPath, 'utf8')).toBe(requirementsPage(requirementsMap()));
  });

  it('claims no row that no test quotes', () => {
    expect(
      requirementsMap()
        .filter((row) => row.claimed && row.tests.length === 0)
        .map((row) => row.row),
    ).toEqual([]);
  });
});
