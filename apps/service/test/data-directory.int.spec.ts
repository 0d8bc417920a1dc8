import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import supertest from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, type Logger } from '@nva/ports';
import { ConfigError, createService, readConfig, ROLES, type Service } from '../src/index.ts';
import { prepareDataDirectory } from '../src/log/data-directory.ts';
import { attachLine, populate, postLines, startNva, temporaryDirectory, tsBody, until } from './support.ts';

const NOBODY = 65_534;
const isRoot = process.getuid!() === 0;
/** Of what a busy machine may take for what must come. */
const LIMIT_MS = 300_000;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let running: Service | null;
let failure: unknown;
let said: unknown[];

beforeEach(async () => {
  directory = await temporaryDirectory();
  running = null;
  failure = undefined;
  said = [];
});
afterEach(async () => {
  await running?.close();
  await directory.remove();
});

const logger: Logger = { ...silentLogger, warn: (_, fields) => void said.push(fields) };

async function start(): Promise<Service> {
  running = await createService(readConfig({ PORT: '0', DATA_DIR: directory.path, SNAPSHOT_EVERY_EVENTS: '100' }), ROLES, {
    logger,
    failed: (cause) => (failure = cause),
  });
  await until(() => running!.core.ready, LIMIT_MS);
  return running;
}

/** Mode of every file and folder below a path, by kind. */
function modesBelow(path: string): { readonly folders: Set<string>; readonly files: Set<string> } {
  const found = { folders: new Set<string>(), files: new Set<string>() };
  for (const name of ['.', ...(readdirSync(path, { recursive: true }) as string[])]) {
    const stat = statSync(join(path, name));
    (stat.isDirectory() ? found.folders : found.files).add((stat.mode & 0o777).toString(8));
  }
  return found;
}

describe('DATA_DIR', () => {
  it("and all that is written below it are their owner's alone, snapshots too, whatever the umask", { timeout: LIMIT_MS }, async () => {
    const before = process.umask(0);
    try {
      const { url } = await start();
      await populate(supertest(url));
      await postLines(url, Array.from({ length: 200 }, (_, i) => attachLine(i, 1)).join(''));
      await until(
        () =>
          existsSync(join(directory.path, 'snapshots')) &&
          readdirSync(join(directory.path, 'snapshots')).some((name) => name.endsWith('.snapshot')),
        LIMIT_MS,
      );
    } finally {
      process.umask(before);
    }
    expect(modesBelow(directory.path)).toEqual({ folders: new Set(['700']), files: new Set(['600']) });
    expect(said).toEqual([]);
  });

  it('that others could open is corrected at the start, with a line in the log for each', { timeout: LIMIT_MS }, async () => {
    await (await start()).close();
    mkdirSync(join(directory.path, 'snapshots'), { recursive: true });
    writeFileSync(join(directory.path, 'snapshots', '0000000000000001.snapshot'), 'x');
    for (const name of ['.', ...(readdirSync(directory.path, { recursive: true }) as string[])])
      chmodSync(join(directory.path, name), statSync(join(directory.path, name)).isDirectory() ? 0o755 : 0o644);
    await start();
    expect(modesBelow(directory.path)).toEqual({ folders: new Set(['700']), files: new Set(['600']) });
    expect(said).toContainEqual({ path: directory.path, mode: '0755', correctedTo: '0700' });
    expect(said).toContainEqual({ path: join(directory.path, 'log', 'log.sqlite'), mode: '0644', correctedTo: '0600' });
    expect(said).toContainEqual({
      path: join(directory.path, 'snapshots', '0000000000000001.snapshot'),
      mode: '0644',
      correctedTo: '0600',
    });
  });

  it('that holds other things keeps its mode, but must not let others put another folder in the place of the log', () => {
    mkdirSync(join(directory.path, 'photos'), { recursive: true });
    chmodSync(directory.path, 0o755);
    prepareDataDirectory(directory.path, logger);
    expect((statSync(directory.path).mode & 0o777).toString(8)).toBe('755');
    chmodSync(directory.path, 0o775);
    expect(() => prepareDataDirectory(directory.path, logger)).toThrow(ConfigError);
    expect(() => prepareDataDirectory(directory.path, logger)).toThrow(
      `DATA_DIR: expected a folder that only this process's user may write to: others may in ${directory.path} (mode 0775). Name a folder in it (${directory.path}/nva), which is made, or take their right away (chmod go-w)`,
    );
    // As /tmp is.
    chmodSync(directory.path, 0o1777);
    prepareDataDirectory(directory.path, logger);
    expect(said).toEqual([]);
  });

  it('of another user is refused, with what to do', () => {
    mkdirSync(join(directory.path, 'snapshots'), { recursive: true });
    if (!isRoot) return expect(() => chownSync(directory.path, NOBODY, NOBODY)).toThrow(/EPERM/);
    chownSync(join(directory.path, 'snapshots'), NOBODY, NOBODY);
    expect(() => prepareDataDirectory(directory.path, logger)).toThrow(
      `DATA_DIR: expected files and folders of this process's user: ${directory.path}/snapshots belongs to user ${NOBODY}`,
    );
    chownSync(directory.path, NOBODY, NOBODY);
    expect(() => prepareDataDirectory(directory.path, logger)).toThrow(`others may in ${directory.path} (it belongs to user ${NOBODY})`);
  });
});

describe('DATA_DIR that is removed under a running NVA', () => {
  it('ends it with the reason, and no write is acknowledged any more', { timeout: LIMIT_MS }, async () => {
    const { url } = await start();
    await populate(supertest(url));
    rmSync(directory.path, { recursive: true });
    const answer = await supertest(url).put('/v1/nves/nve1/tenant-systems/ts1').send(tsBody(1));
    expect(answer.status).toBe(503);
    await until(() => failure !== undefined, LIMIT_MS);
    expect((failure as Error).message).toMatch(/^the log could not be written: .*log\.sqlite was removed or renamed while it was open$/);
  });
});

describe('a log that has lost its end', () => {
  it(
    'refuses the start with what is missing, and the command that would accept it stands in docs/operations.md',
    { timeout: LIMIT_MS },
    async () => {
      const nva = await startNva({ env: { DATA_DIR: directory.path } });
      await populate(nva.http);
      cpSync(join(directory.path, 'log'), join(directory.path, 'killed'), { recursive: true });
      await nva.stop();
      rmSync(join(directory.path, 'log'), { recursive: true });
      cpSync(join(directory.path, 'killed'), join(directory.path, 'log'), { recursive: true });
      rmSync(join(directory.path, 'killed'), { recursive: true });
      rmSync(join(directory.path, 'log', 'log.sqlite-wal'));
      await expect(start()).rejects.toThrow(
        /has lost its end: it holds events up to position 0, and those up to \d+ were acknowledged.*see «A log that has lost its end» in docs\/operations\.md/,
      );
    },
  );
});
