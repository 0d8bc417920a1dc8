import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeFault, OLDEST_NODE } from '@nva/ports/node-version';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const APPS = ['nva', 'registrar', 'distributor', 'admin', 'demo'];

let directory: string;
let fake: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-old-node-'));
  fake = join(directory, 'fake.cjs');
  await writeFile(fake, "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });");
});

afterAll(() => rm(directory, { recursive: true }));

/** Runs it as built, as an old Node would: under its version, and without what it does not have. */
function run(app: string, ...flags: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = join(ROOT, `apps/${app}/dist/main.js`);
  if (!existsSync(main)) throw new Error(`${main} is missing: run «npm run build» first`);
  const { NODE_OPTIONS: _, ...env } = process.env;
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      ['--no-experimental-sqlite', ...flags, main],
      { env: { ...env, DATA_DIR: join(directory, 'data'), PORT: '0' } },
      (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    ),
  );
}

describe('on a Node that is too old', () => {
  it.each(APPS)('apps/%s/dist/main.js says which Node it needs, and nothing else', async (app) => {
    const { code, stdout, stderr } = await run(app, '--require', fake);
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: `${app}: needs Node ${OLDEST_NODE} or newer, and ${process.execPath} is Node 20.20.2. npm ci brings one that is new enough: npm start uses it, and it is node_modules/.bin/node\n`,
    });
    expect(existsSync(join(directory, 'data'))).toBe(false);
  });

  it('that is so before anything is loaded that an old Node lacks', async () => {
    const { code, stderr } = await run('nva');
    expect(code).toBe(1);
    expect(stderr).toContain('node:sqlite');
    for (const app of APPS) {
      const text = readFileSync(join(ROOT, `apps/${app}/dist/main.js`), 'utf8');
      expect(
        [...text.matchAll(/^import .*$/gm)].map(([line]) => line),
        app,
      ).toEqual([expect.stringMatching(/^import \{ startOnNode \} from '@nva\/(?:service|ports)\/node-version';$/)]);
    }
  });
});

it('which Node is needed is what package.json says', () => {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { engines: { node: string } };
  expect(engines.node).toBe(`>=${OLDEST_NODE}`);
});

it.each([
  ['24.0.0', false],
  ['24.21.0', false],
  ['25.1.0', false],
  ['100.0.0', false],
  ['23.11.1', true],
  ['20.20.2', true],
  ['9.11.2', true],
])('Node %s: too old is %s', (version, tooOld) => {
  expect(nodeFault('nva', version, '/usr/bin/node') !== null).toBe(tooOld);
});
