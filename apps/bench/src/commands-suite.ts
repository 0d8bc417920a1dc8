import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { median, rate, type Suite } from './figure.ts';
import { sendAll } from './ndjson-client.ts';
import { NvaProcess } from './nva-process.ts';
import { attachLine, foundationLines } from './workload.ts';

const LINES = 100_000;
const ROUNDS = 3;
const CONNECTIONS = 2;
const WORKLOAD = { vns: 1_000, nves: 100 };

async function seconds(url: string, lines: readonly string[]): Promise<number> {
  const share = Math.ceil(lines.length / CONNECTIONS);
  const start = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, c) => sendAll(url, lines.slice(c * share, (c + 1) * share))));
  return (performance.now() - start) / 1_000;
}

export const commandsSuite: Suite = {
  title: 'NDJSON attaches into a standalone NVA: durable, folded, answered, published in process',
  figures: ['commands_per_s'],
  async run({ directory, say }) {
    const nva = await NvaProcess.start(directory);
    const echo = spawn(process.execPath, [join(import.meta.dirname, 'echo-server.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [printed] = (await once(echo.stdout, 'data')) as [Buffer];
    const ours: number[] = [];
    const raw: number[] = [];
    try {
      await sendAll(nva.url, foundationLines(WORKLOAD));
      await sendAll(
        nva.url,
        Array.from({ length: LINES / 4 }, (_, i) => attachLine(WORKLOAD, 10_000_000 + i)),
      );
      for (let round = 0; round < ROUNDS; round++) {
        const lines = Array.from({ length: LINES }, (_, i) => attachLine(WORKLOAD, round * LINES + i));
        ours.push(LINES / (await seconds(nva.url, lines)));
        raw.push(LINES / (await seconds(printed.toString().trim(), lines)));
      }
    } finally {
      echo.kill('SIGTERM');
      await nva.stop();
    }
    say(
      `rounds: ${ours.map((r) => Math.round(r).toLocaleString('en')).join(', ')}; the limit is a bare node:http server that parses and answers each line`,
    );
    return [rate('commands_per_s', 'commands/s', median(ours), { target: 25_000, limit: median(raw) })];
  },
};
