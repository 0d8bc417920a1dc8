import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { until } from '@nva/processes';

const MAIN = join(import.meta.dirname, '../../apps/nva/dist/main.js');
/** Of what a busy machine may take for what must come. */
const LIMIT_MS = 300_000;

it(
  'ends the process, as a disk does that fails, when its data folder is renamed, even where nobody writes',
  { timeout: LIMIT_MS },
  async () => {
    const parent = mkdtempSync(join(tmpdir(), 'nva-data-'));
    const dataDir = join(parent, 'data');
    const nva = spawn(process.execPath, [MAIN], {
      env: { ...process.env, NODE_OPTIONS: '', HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir, KAFKA_BROKERS: '', TOKENS_FILE: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      let output = '';
      nva.stdout.on('data', (data: Buffer) => (output += data.toString()));
      const exited = once(nva, 'exit');
      await until('it listens', () => (output.includes('the NVA listens') ? null : output), LIMIT_MS);
      renameSync(dataDir, `${dataDir}-away`);
      expect((await exited)[0]).toBe(1);
      expect(output).toContain('the NVA cannot go on');
      // All its files went at one moment: a look that was under way may miss another one first.
      expect(output).toMatch(/log\.(?:sqlite|lock) was removed or renamed while it was open/);
    } finally {
      nva.kill('SIGKILL');
      rmSync(parent, { recursive: true });
    }
  },
);
