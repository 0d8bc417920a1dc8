import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tethered, until } from '@nva/processes';
import { loadFigure1 } from '../src/figure.ts';
import { remote } from '../src/lookups.ts';
import { startNva, type RunningNva } from '../src/nva-process.ts';
import { play } from '../src/play.ts';
import { figure1Scenario, type Step } from '../src/scenario.ts';

const MAIN = join(import.meta.dirname, '../dist/main.js');
const SOON_MS = 20_000;

/** Up to the attachments of server 2, then one step more. */
const built = figure1Scenario.slice(0, 4);
const step = (more: Partial<Step>): Step => ({ id: 'more', title: 'More', rows: '', tells: '', act: async () => {}, ...more });

describe('a check', () => {
  let children: AsyncDisposableStack;
  let nva: RunningNva;
  beforeEach(async () => {
    children = new AsyncDisposableStack();
    nva = await startNva(null, children);
  });
  afterEach(() => children.disposeAsync());

  const playWith = async (more: Step): Promise<void> => {
    for await (const _outcome of play([...built, more], { figure: loadFigure1(), baseUrl: nva.baseUrl, kafka: null }));
  };

  it('of a look-up that finds another NVE ends the play, and says what was found', async () => {
    const wrong = step({ lookups: [remote('NVE2', 'VN1', '192.0.2.1', 'VM1', 'NVE5')] });
    await expect(playWith(wrong)).rejects.toThrow(
      /^Step 5, «More»: NVE2 looks up 192\.0\.2\.1 in VN1: found .*"nveId":"NVE1".*, expected .*"nveId":"NVE5"/,
    );
  });

  it('of a digest that the NVA does not have ends the play', async () => {
    const ghost = step({
      act: async (stage) => {
        const table = stage.agent('NVE1').client.table(10001)!;
        table.add({
          key: 'member/ghost',
          value: { type: 'VnMember', data: { nveId: 'ghost', mac: '02:00:00:00:ff:99', addresses: [], reachable: true } },
          position: table.position!,
          log: table.log!,
          changeEnd: true,
        });
      },
    });
    await expect(playWith(ghost)).rejects.toThrow(/^Step 5, «More»: NVE1 reported [0-9a-f]{16} at \d+ for VN1: the NVA says «differs»/);
  });

  it('of an entry that says something else under the same position ends the play, though the digest is right', async () => {
    const forged = step({
      act: async (stage) => {
        const mapping = stage.agent('NVE2').client.table(10001)!.mapping('mapping/VM1/192.0.2.1')!;
        Object.assign(mapping, { mac: '02:00:00:00:00:66' });
      },
    });
    await expect(playWith(forged)).rejects.toThrow(/NVE2 in VN1, mapping\/VM1\/192\.0\.2\.1: the NVE holds .*00:66.*, the NVA .*00:01/);
  });
});

describe('the program', () => {
  const demos: ChildProcess[] = [];
  afterEach(() => {
    for (const demo of demos.splice(0)) demo.kill('SIGKILL');
  });

  interface Running {
    /** The NVA that it has started. */
    readonly nvaPid: number;
    readonly output: () => string;
    readonly ended: Promise<number | null>;
    readonly process: ChildProcess;
  }

  /** The demo, with its first step told. */
  async function start(): Promise<Running> {
    const demo = spawn(...tethered(process.execPath, [MAIN, '--quiet']), { env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' } });
    demos.push(demo);
    let output = '';
    for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
    const ended = new Promise<number | null>((resolve) => void demo.once('close', resolve));
    await until('The first step is told', () => (output.includes('✓') ? null : output), SOON_MS);
    const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(demo.pid)]);
    const nvaPid = Number(stdout.trim().split(/\s+/)[0]);
    return { nvaPid, output: () => output, ended, process: demo };
  }

  const isGone = (pid: number): boolean => !existsSync(`/proc/${pid}`);

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends its NVA with itself on %s', async (signal, code) => {
    const demo = await start();
    demo.process.kill(signal);
    expect(await demo.ended).toBe(code);
    expect(isGone(demo.nvaPid)).toBe(true);
    expect(demo.output()).not.toContain('✗');
  });

  it('fails, and says so, if its NVA dies', async () => {
    const demo = await start();
    process.kill(demo.nvaPid, 'SIGKILL');
    expect(await demo.ended).toBe(1);
    expect(demo.output()).toContain('✗ The NVA has ended by itself');
  });
});
