import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configPath, readContexts, serverUrl } from '../src/config/contexts.ts';
import { targetOf } from '../src/config/target.ts';
import { fakeIo, runHere } from './cli.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'nvactl-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('contexts', () => {
  it('are added, used, listed and removed; their file is its owner’s alone', async () => {
    const at = { home };
    expect(
      (await runHere(['context', 'add', 'lab', '--server', 'http://nva.example:3000/', '--token-stdin'], { ...at, input: 'secret\n' }))
        .code,
    ).toBe(0);
    expect((await runHere(['context', 'add', 'prod', '--server', 'https://nva.example'], at)).code).toBe(0);
    const file = configPath({ env: {}, home });
    expect([mode(file), mode(join(file, '..'))]).toEqual(['600', '700']);
    expect(readContexts(fakeIo(at))).toEqual({
      current: 'lab',
      contexts: { lab: { server: 'http://nva.example:3000', token: 'secret' }, prod: { server: 'https://nva.example' } },
    });
    const listed = await runHere(['context', 'list'], at);
    expect(listed.io.out()).toMatch(/\* +lab +http:\/\/nva.example:3000 +in the configuration file/);
    expect(listed.io.out() + (await runHere(['context', 'list', '-o', 'yaml'], at)).io.out()).not.toContain('secret');
    expect((await runHere(['context', 'use', 'prod'], at)).code).toBe(0);
    expect(targetOf({}, fakeIo(at))).toEqual({ server: 'https://nva.example', token: null });
    expect((await runHere(['context', 'remove', 'prod'], at)).code).toBe(0);
    expect(readContexts(fakeIo(at)).current).toBeNull();
    expect((await runHere(['context', 'use', 'prod'], at)).code).toBe(2);
    expect((await runHere(['context', 'add', '../x', '--server', 'http://a'], at)).code).toBe(2);
  });

  it('that others could read are closed, and that is said', async () => {
    await runHere(['context', 'add', 'lab', '--server', 'http://nva.example'], { home });
    const file = configPath({ env: {}, home });
    chmodSync(file, 0o644);
    const io = fakeIo({ home });
    readContexts(io);
    expect([mode(file), io.err()]).toEqual(['600', `nvactl: ${file} was open to other users; its mode is 0600 now\n`]);
  });

  it('are under XDG_CONFIG_HOME if that is absolute', () => {
    expect(configPath({ env: { XDG_CONFIG_HOME: '/x' }, home })).toBe('/x/nvactl/config.yaml');
    expect(configPath({ env: { XDG_CONFIG_HOME: 'x' }, home })).toBe(join(home, '.config/nvactl/config.yaml'));
  });

  it.each(['- 1', 'current: 1', 'contexts: {a: {}}', 'contexts: {a: {server: x, token: 1}}', 'a: [', 'contexts: {"-": {server: x}}'])(
    'in a file with %j are wrong usage',
    async (text) => {
      await runHere(['context', 'add', 'lab', '--server', 'http://nva.example'], { home });
      writeFileSync(configPath({ env: {}, home }), text);
      expect((await runHere(['get', 'vns'], { home })).code).toBe(2);
    },
  );
});

describe('the server and the token', () => {
  const env = { NVACTL_SERVER: 'http://env', NVACTL_TOKEN: 'of-env' };
  let tokenFile: string;
  beforeEach(async () => {
    await runHere(['context', 'add', 'lab', '--server', 'http://lab', '--token-stdin'], { home, input: 'of-lab' });
    tokenFile = join(home, 'token');
    writeFileSync(tokenFile, 'of-file\n');
  });

  it('are those of the context, unless environment or options say otherwise', () => {
    const target = (options: object, variables: Readonly<Record<string, string>> = {}): unknown =>
      targetOf(options, fakeIo({ home, env: variables }));
    expect(target({})).toEqual({ server: 'http://lab', token: 'of-lab' });
    expect(target({}, env)).toEqual({ server: 'http://env', token: 'of-env' });
    expect(target({ context: 'lab' }, env)).toEqual({ server: 'http://lab', token: 'of-lab' });
    expect(target({ server: 'http://option' }, env)).toEqual({ server: 'http://option', token: 'of-env' });
    expect(target({ tokenFile }, env)).toEqual({ server: 'http://env', token: 'of-file' });
    expect(target({}, { NVACTL_TOKEN: 'of-env' })).toEqual({ server: 'http://lab', token: 'of-env' });
  });

  it('of a context stay together: its token goes to no other server, unless both are named', () => {
    expect(targetOf({ server: 'http://other' }, fakeIo({ home }))).toEqual({ server: 'http://other', token: null });
    expect(targetOf({}, fakeIo({ home, env: { NVACTL_SERVER: 'http://other' } }))).toEqual({ server: 'http://other', token: null });
    expect(targetOf({ server: 'http://other', context: 'lab' }, fakeIo({ home }))).toEqual({ server: 'http://other', token: 'of-lab' });
  });

  it('are read from a file that others can read too, and that is said', () => {
    for (const [fileMode, said] of [
      [0o600, ''],
      [0o644, `nvactl: other users can read the token in ${tokenFile}: its mode should be 0600\n`],
    ] as const) {
      chmodSync(tokenFile, fileMode);
      const io = fakeIo({ home });
      expect(targetOf({ tokenFile }, io)).toMatchObject({ token: 'of-file' });
      expect([io.err(), mode(tokenFile)]).toEqual([said, fileMode.toString(8)]);
    }
  });

  it.each(['ftp://a', 'nva', 'http://user:pw@a', 'http://a?x=1'])('of %s are wrong usage', (url) => {
    expect(() => serverUrl(url)).toThrow('server');
  });

  it('are wrong usage if the token is no word, the file is not there, or the context is unknown', () => {
    writeFileSync(tokenFile, 'two words');
    for (const options of [{ tokenFile }, { tokenFile: join(home, 'none') }, { context: 'none' }])
      expect(() => targetOf(options, fakeIo({ home }))).toThrow(expect.objectContaining({ exitCode: 2 }));
  });
});
