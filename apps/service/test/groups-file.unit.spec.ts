import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command } from '@nva/domain/testing';
import { Network } from '@nva/fold';
import { RegistrarGroups } from '@nva/registrar';
import { readGroups } from '../src/config/groups-file.ts';
import { readConfig } from '../src/index.ts';

let directory: string;
const file = (): string => join(directory, 'groups.json');
const write = (content: unknown): string => {
  writeFileSync(file(), typeof content === 'string' ? content : JSON.stringify(content));
  return file();
};
const EAST = { name: 'east', urls: ['http://10.0.0.1:3000'], nves: ['leaf-1'], sites: ['site-e'], tenants: ['red'] };
const REST = { name: 'rest', urls: ['http://10.0.0.2:3000/'], rest: true };

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'nva-groups-file-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('GROUPS_FILE', () => {
  it('names groups by NVE, site and tenant (R34)', () => {
    expect(readGroups(write({ groups: [EAST, REST] }))).toEqual([
      { ...EAST, rest: false },
      { name: 'rest', urls: ['http://10.0.0.2:3000'], nves: [], sites: [], tenants: [], rest: true },
    ]);
  });

  it.each([
    ['no JSON', '{', 'cannot be read as JSON'],
    ['no groups', { groups: [] }, '1 to 256 groups'],
    ['another field', { groups: [REST], other: 1 }, '1 to 256 groups'],
    ['an unknown field in a group', { groups: [{ ...REST, vnids: [1] }] }, 'got «vnids»'],
    ['a name that is none', { groups: [{ ...REST, name: 'a b' }] }, 'got «a b»'],
    ['no group of the rest', { groups: [EAST] }, 'got 0'],
    ['two of the rest', { groups: [REST, { ...EAST, rest: true }] }, 'got 2'],
    ['a name twice', { groups: [REST, { ...EAST, name: 'rest' }] }, '«rest» stands in it twice'],
    ['an NVE twice', { groups: [EAST, { ...REST, nves: ['leaf-1'] }] }, '«leaf-1» stands in it twice'],
    ['a group without urls', { groups: [{ ...REST, urls: [] }] }, 'has no urls'],
    ['a url with a path', { groups: [{ ...REST, urls: ['http://a/b'] }] }, 'urls is http://host[:port], got «http://a/b»'],
    ['a site that is no id', { groups: [{ ...REST, sites: ['a b'] }] }, 'got «a b»'],
  ])('with %s stops the start and says why', (_, content, message) => {
    expect(() => readGroups(write(content))).toThrow(message);
    expect(() => readGroups(file())).toThrow(/^GROUPS_FILE: /);
  });

  it('needs to be told which group this registrar serves, and where others reach it', () => {
    const env = { GROUPS_FILE: write({ groups: [EAST, REST] }) };
    expect(() => readConfig(env)).toThrow('GROUP: expected the group of GROUPS_FILE that this registrar serves, one of east, rest');
    expect(() => readConfig({ ...env, GROUP: 'west' })).toThrow('got «west»');
    expect(() => readConfig({ ...env, GROUP: 'east' })).toThrow('ADVERTISED_URL');
    expect(() => readConfig({ ...env, GROUP: 'east', ADVERTISED_URL: 'here' })).toThrow(
      'ADVERTISED_URL: expected http://host:port, got «here»',
    );
    expect(readConfig({ ...env, GROUP: 'east', ADVERTISED_URL: 'http://10.0.0.1:3000' })).toMatchObject({
      group: 'east',
      advertisedUrl: 'http://10.0.0.1:3000',
      forward: true,
    });
    expect(() => readConfig({ GROUP: 'east' })).toThrow('without GROUPS_FILE');
    expect(() => readConfig({ EVENTSTORE_URL: 'esdb://127.0.0.1:2113' })).toThrow('ADVERTISED_URL');
  });
});

describe('the group of a command', () => {
  const groups = (): RegistrarGroups => new RegistrarGroups(readGroups(write({ groups: [EAST, REST] })));
  const of = (type: Parameters<typeof command>[0], fields: Record<string, unknown>): string | undefined =>
    groups().ofCommand(command(type, fields), new Network(), () => null)?.name;

  it('goes by NVE, then site, then tenant, then what is left', () => {
    expect(of('attach', { nveId: 'leaf-1', tsId: 't', tenantId: 'blue' })).toBe('east');
    expect(of('attach', { nveId: 'leaf-9', tsId: 't', tenantId: 'red' })).toBe('east');
    expect(of('attach', { nveId: 'leaf-9', tsId: 't', tenantId: 'blue' })).toBe('rest');
    expect(of('connectNve', { nveId: 'leaf-9', siteId: 'site-e' })).toBe('east');
    expect(of('heartbeat', { nveId: 'leaf-9' })).toBe('rest');
    expect(of('changeMac', { tsId: 'unknown' })).toBe('rest');
    expect(of('putVn', { vnid: 1, tenantId: 'red' })).toBeUndefined();
  });
});
