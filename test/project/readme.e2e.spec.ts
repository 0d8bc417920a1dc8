import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tethered } from '@nva/processes';
import { root } from './files.ts';

const run = promisify(execFile);
const main = join(root, 'apps/nva/dist/main.js');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

let nva: ChildProcess;
let url: string;
let directory: string;
const lines: { msg: string; url?: string }[] = [];

beforeAll(async () => {
  if (!existsSync(main)) throw new Error('apps/nva is not built: npm run build');
  directory = await mkdtemp(join(tmpdir(), 'nva-readme-'));
  nva = spawn(...tethered(process.execPath, [main]), {
    env: { ...process.env, PORT: '0', DATA_DIR: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const started = new Promise<string>((resolve, reject) => {
    createInterface({ input: nva.stdout! }).on('line', (line) => {
      const entry = JSON.parse(line) as (typeof lines)[number];
      lines.push(entry);
      if (entry.url) resolve(entry.url);
    });
    nva.once('exit', () => reject(new Error('the NVA ended')));
  });
  url = await started;
});

afterAll(async () => {
  const exited = once(nva, 'exit');
  nva.kill('SIGTERM');
  await exited;
  await rm(directory, { recursive: true });
});

/** The commands of the README's shell block, one a line, against the NVA of this test. */
const commands = (): string[] =>
  /```sh\n([\s\S]*?)```/
    .exec(readme)![1]!
    .trim()
    .split('\n')
    .map((line) => line.replaceAll('http://127.0.0.1:3000', url));

describe('the README', () => {
  it('shows what npm start prints', () => {
    const shown = [...readme.matchAll(/^ {4}(\{"level".*\})$/gm)].map((match) =>
      Object.keys(JSON.parse(match[1]!.replaceAll('…', 'x')) as object),
    );
    expect(shown).toHaveLength(2);
    expect(lines.map((line) => Object.keys(line)).toSorted()).toEqual(shown.toSorted());
  });

  it('has three commands that do what it says', async () => {
    const [write, resolve, follow] = commands();
    const answers = (await run('bash', ['-c', write!])).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { status: number });
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(JSON.parse((await run('bash', ['-c', resolve!])).stdout)).toMatchObject({
      mappings: [{ tsId: 'vm1-eth0' }],
      members: [{ nveId: 'leaf-1', addresses: ['198.51.100.1'] }],
    });
    const table = await run('bash', ['-c', `timeout 2 ${follow}`]).catch((error: { stdout: string }) => error);
    expect(table.stdout).toContain('"key":"mapping/vm1-eth0/192.0.2.1"');
    expect(table.stdout).toContain('snapshot-complete');
  });
});
