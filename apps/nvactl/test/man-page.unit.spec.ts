import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { manPath, page } from '../tools/man.ts';
import { EXIT_MEANINGS } from '../src/exit-codes.ts';
import { createProgram } from '../src/program.ts';
import { fakeIo, runHere } from './cli.ts';

describe('the man page', () => {
  it('is what the commands say now (npm run docs)', () => {
    expect(readFileSync(manPath, 'utf8')).toBe(page());
  });

  it('has every command, every option and every exit code', () => {
    const text = page().replaceAll('\\-', '-');
    const program = createProgram(fakeIo());
    const commands = program.commands
      .filter((command) => command.name() !== 'complete')
      .flatMap((command) => [command, ...command.commands]);
    expect(commands.length).toBeGreaterThan(18);
    for (const command of [program, ...commands]) {
      expect(text).toContain(command.name());
      for (const { flags } of command.options) expect(text).toContain(flags);
    }
    for (const [code, meaning] of EXIT_MEANINGS) expect(text).toContain(`.B ${code}\n${meaning}\n`);
  });

  it('is roff without anything that a formatter warns of', () => {
    const groff = spawnSync('groff', ['-man', '-ww', '-z', '-Tutf8', manPath], { encoding: 'utf8' });
    // Without groff there is nothing to ask.
    if (groff.error === undefined) expect([groff.status, groff.stderr]).toEqual([0, '']);
    expect(page()).not.toMatch(/^['.](?!(?:TH|SH|SS|PP|TP|B|br)\b)/m);
  });
});

describe('help', () => {
  it('of nvactl names the exit codes, and that of a command its options and those of every command', async () => {
    expect((await runHere(['--help'])).io.out()).toContain('Ended by Ctrl-C');
    const { code, io } = await runHere(['apply', '--help']);
    expect(code).toBe(0);
    for (const option of ['--prune', '--dry-run', '--server']) expect(io.out()).toContain(option);
  });

  it('is what wrong usage gets, with exit code 2', async () => {
    const { code, io } = await runHere(['appply']);
    expect([code, io.out()]).toEqual([2, '']);
    expect(io.err()).toContain('Did you mean apply?');
    expect((await runHere([])).code).toBe(2);
    expect((await runHere(['get', 'cats'])).code).toBe(2);
    expect((await runHere(['--version'])).code).toBe(0);
  });
});
