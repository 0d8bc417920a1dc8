import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { until } from '@nva/processes';
import { NvaProcess } from './nva-process.ts';

const fileOf = (...names: readonly string[]): string =>
  JSON.stringify({ operators: names.map((name) => ({ name, sha256: createHash('sha256').update(`${name}-token`).digest('hex') })) });

it('SIGHUP has tokens read again at once, and ends nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'nva-signals-'));
  const tokens = join(directory, 'tokens.json');
  await writeFile(tokens, fileOf('alice'));
  const nva = await NvaProcess.start({ brokers: [], prefix: 'nvo3', dataDir: join(directory, 'data'), env: { TOKENS_FILE: tokens } });
  try {
    await nva.ready();
    const status = async (name: string): Promise<number> =>
      (await fetch(`${nva.url}/v1/vns`, { headers: { authorization: `Bearer ${name}-token` } })).status;
    expect([await status('alice'), await status('bob')]).toEqual([200, 401]);
    await writeFile(tokens, fileOf('bob'));
    nva.signal('SIGHUP');
    await until('the new token is taken', async () => ((await status('bob')) === 200 ? null : nva.output.slice(-500)));
    expect(await status('alice')).toBe(401);
    nva.signal('SIGHUP');
    await until('it was read twice', () => ((nva.output.match(/tokens and keys were read again/g) ?? []).length > 1 ? null : nva.output));
    expect(nva.running).toBe(true);
  } finally {
    await nva.kill();
    await rm(directory, { recursive: true });
  }
}, 300_000);

it('SIGHUP ends nothing while the process starts', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'nva-signals-'));
  // As soon as the start has begun, which is when it listens for rejections.
  const early =
    'process.on("newListener", (event) => event === "unhandledRejection" && setImmediate(() => process.kill(process.pid, "SIGHUP")));';
  const nva = await NvaProcess.start({
    brokers: [],
    prefix: 'nvo3',
    dataDir: join(directory, 'data'),
    env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(early)}` },
  });
  try {
    await nva.ready();
    expect(nva.running).toBe(true);
  } finally {
    await nva.kill();
    await rm(directory, { recursive: true });
  }
}, 300_000);

it('a rejection that is nobody\u2019s ends nothing, and is neither hidden from the log nor from the metrics (X6)', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'nva-rejection-'));
  // Once somebody listens for such a thing, or after a while in which nobody did.
  const defect =
    'let looks = 0; const timer = setInterval(() => { if (process.listenerCount("unhandledRejection") === 0 && ++looks < 500) return; clearInterval(timer); Promise.reject(new Error("nobody waits for me")); }, 20);';
  const nva = await NvaProcess.start({
    brokers: [],
    prefix: 'nvo3',
    dataDir: join(directory, 'data'),
    env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(defect)}` },
  });
  try {
    await nva.ready();
    await until('it is counted', async () => {
      const text = await (await fetch(`${nva.url}/metrics`)).text();
      return /^nva_unhandled_rejections_total 1$/m.test(text) ? null : nva.output.slice(-500);
    });
    expect(nva.output).toMatch(/"level":"error".*nobody waits for me.*this is a defect/);
    expect(nva.running).toBe(true);
  } finally {
    await nva.kill();
    await rm(directory, { recursive: true });
  }
}, 300_000);
