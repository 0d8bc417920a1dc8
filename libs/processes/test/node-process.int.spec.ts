import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NodeProcess } from '../src/index.ts';

const script = (text: string): NodeProcess => new NodeProcess({ name: 'script', args: ['-e', text] });
const STAYS = 'setInterval(() => {}, 1000);';

describe('a process of Node', () => {
  it('tells where it listens, by its own words, and every JSON object that it writes', async () => {
    const process = script(
      `console.log('no JSON'); console.log('{"half'); console.log('{"a":1}'); console.log('{"url":"http://x"}'); ${STAYS}`,
    );
    const entries: unknown[] = [];
    process.onEntry((entry) => entries.push(entry));
    expect(await process.url()).toBe('http://x');
    expect(entries).toEqual([{ a: 1 }, { url: 'http://x' }]);
    expect(process.running).toBe(true);
    await process.kill();
    expect(process.running).toBe(false);
  });

  it('that ends before it listens says how, and what it wrote last', async () => {
    const process = script(`console.error('no disk'); process.exitCode = 3;`);
    await expect(process.url()).rejects.toThrow(/script ended with 3; was it built\?\nno disk/);
    expect(await process.exited).toEqual({ code: 3, signal: null });
    expect(process.errors).toBe('no disk\n');
  });

  it('that cannot be started ends, and says why', async () => {
    const process = new NodeProcess({ name: 'script', args: ['/nowhere/at/all.js'] });
    expect((await process.exited).code).toBe(1);
    expect(process.output).toContain('/nowhere/at/all.js');
  });

  it('ends by SIGTERM also where it is stopped, and by SIGKILL where it does not heed that', async () => {
    const heeds = script(STAYS);
    heeds.signal('SIGSTOP');
    expect(await heeds.stop()).toEqual({ code: null, signal: 'SIGTERM' });
    const deaf = script(`process.on('SIGTERM', () => {}); console.log('{"url":"deaf"}'); ${STAYS}`);
    await deaf.url();
    expect(await deaf.stop(100)).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('writes everything to its file, and keeps the end of it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nva-process-'));
    try {
      const logFile = join(directory, 'log');
      const process = new NodeProcess({ name: 'script', args: ['-e', `console.log('x'.repeat(20000)); console.error('end')`], logFile });
      await process.exited;
      await expect.poll(async () => (await readFile(logFile, 'utf8')).length).toBe(20_005);
      expect(process.output.length).toBeLessThanOrEqual(8_000);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
