import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Tokens } from '../src/access/tokens.ts';

const sha256 = createHash('sha256').update('token').digest('hex');

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-tokens-'));
});

afterEach(() => rm(directory, { recursive: true }));

async function read(content: object): Promise<Tokens> {
  const file = join(directory, 'tokens.json');
  await writeFile(file, JSON.stringify(content));
  return Tokens.read(file);
}

describe('the token of an NVE', () => {
  it.each([
    ['the tenants that are named', { tenants: ['red'] }, ['red']],
    ['no tenant, if the list is empty', { tenants: [] }, []],
    ['any tenant, if tenants is null', { tenants: null }, null],
    ['any tenant, if tenants is absent', {}, null],
  ])('serves %s', async (_, fields, tenants) => {
    const tokens = await read({ nves: [{ nveId: 'nve1', sha256, ...fields }] });
    expect(tokens.callerOf('Bearer token', 'nva.example')).toEqual({ kind: 'nve', nveId: 'nve1', tenants });
  });
});

describe('a tokens file', () => {
  it.each([
    [
      'a slip that would open an NVE to every tenant',
      { nves: [{ nveId: 'nve1', tenant: ['red'], sha256 }] },
      /an NVE has nveId, tenants, sha256, got «tenant»/,
    ],
    [
      'an unknown field of an operator',
      { operators: [{ name: 'alice', sha256, role: 'reader' }] },
      /an operator has name, sha256, got «role»/,
    ],
    ['an unknown list', { operators: [{ name: 'alice', sha256 }], nve: [] }, /the file has operators, nves, got «nve»/],
  ])('with %s is refused', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
  });

  it('with a token in clear is refused without repeating it', async () => {
    const error: Error = await read({ operators: [{ name: 'alice', sha256: 'hunter2' }] }).then(
      () => expect.unreachable(),
      (cause: Error) => cause,
    );
    expect(error.message).toMatch(/^TOKENS_FILE: sha256 is 64 lower-case hex digits/);
    expect(error.message).not.toContain('hunter2');
  });
});
