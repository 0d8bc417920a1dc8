import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { GappedEventStore } from '@nva/event-log/testing';
import { silentLogger } from '@nva/ports';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createService, readConfig, type Service } from '../src/index.ts';
import { macOf, nveBody, tsBody, vnBody } from './support.ts';

/** A registrar of the rest; of group east, which serves tenant blue, a site and an NVE, nobody can be reached. */
const EAST = { name: 'east', urls: ['http://127.0.0.1:9'], nves: ['nve-special'], sites: ['site-east'], tenants: ['blue'] };
const REST = { name: 'rest', urls: ['http://127.0.0.1:8'], sites: ['site-1', 'site-5'], rest: true };

let directory: string;
let store: GappedEventStore;
const services = new Map<string, Promise<Service>>();

const entry = (name: string): { sha256: string } => ({ sha256: createHash('sha256').update(`${name}-token`).digest('hex') });

/** The registrar with that environment; always the same one. */
function start(env: Readonly<Record<string, string>>): Promise<Service> {
  const name = JSON.stringify(env);
  const config = readConfig(
    {
      PORT: '0',
      DATA_DIR: directory,
      EVENTSTORE_URL: 'esdb://127.0.0.1:1',
      TOKENS_FILE: join(directory, 'tokens.json'),
      GROUPS_FILE: join(directory, 'groups.json'),
      GROUP: 'rest',
      ADVERTISED_URL: REST.urls[0]!,
      ...env,
    },
    ['registrar'],
  );
  const service =
    services.get(name) ??
    createService(config, ['registrar'], {
      logger: silentLogger,
      store,
      failed: (cause) => {
        throw cause;
      },
    });
  services.set(name, service);
  return service;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-groups-not-yours-'));
  const nves = [
    { nveId: 'nve1', tenants: ['red'], ...entry('nve1') },
    { nveId: 'nve5', tenants: null, ...entry('nve5') },
  ];
  await writeFile(join(directory, 'tokens.json'), JSON.stringify({ operators: [{ name: 'op', ...entry('operator') }], nves }));
  await writeFile(join(directory, 'groups.json'), JSON.stringify({ groups: [EAST, REST] }));
  store = new GappedEventStore({ codec: createEventCodec(), seed: 1 });
  await writeFile(join(directory, 'groups-one.json'), JSON.stringify({ groups: [REST] }));
  const one = supertest((await start({ GROUPS_FILE: join(directory, 'groups-one.json') })).url);
  const put = (path: string, body: object) => one.put(path).set('authorization', 'Bearer operator-token').send(body).expect(200);
  await put('/v1/vns/1', vnBody());
  await put('/v1/vns/9', vnBody({ tenantId: 'blue' }));
  await put('/v1/nves/nve1', nveBody(1));
  await put('/v1/nves/nve2', { ...nveBody(2), siteId: 'site-east' });
  await put('/v1/nves/nve5', nveBody(5));
  await put('/v1/nves/nve1/tenant-systems/ts1', tsBody(1));
  await put('/v1/nves/nve2/tenant-systems/ts2', tsBody(2, { tenantId: 'blue', bindings: [{ vnid: 9, ip: '10.0.0.2' }] }));
  await put('/v1/nves/nve5/tenant-systems/ts5', tsBody(5, { tenantId: 'blue', bindings: [{ vnid: 9, ip: '10.0.0.5' }] }));
});

afterAll(async () => {
  for (const service of services.values()) await (await service).close();
  await store.close();
  await rm(directory, { recursive: true });
});

const line = (command: string, fields: object): string => JSON.stringify({ command, ...fields });
const attach = (fields: object): string =>
  line('attach', { nveId: 'nve1', tsId: 'ts3', tenantId: 'red', vmId: 'vm', mac: macOf(3), ...fields });
/** What another group serves, and what nobody does. */
const PAIRS: readonly (readonly [what: string, names: readonly [string, string], of: (name: string) => string])[] = [
  ['an NVE in an attach', ['nve2', 'nve7'], (nveId) => attach({ nveId })],
  ['a tenant in an attach', ['blue', 'lime'], (tenantId) => attach({ tenantId })],
  ['an NVE in a heartbeat', ['nve2', 'nve7'], (nveId) => line('heartbeat', { nveId, incarnation: 1 })],
  ['a tenant system in a detach', ['ts2', 'ts7'], (tsId) => line('detach', { nveId: 'nve1', tsId })],
  ['a tenant system in a change of its MAC', ['ts2', 'ts7'], (tsId) => line('changeMac', { tsId, mac: macOf(7) })],
  ['a tenant system in a registration', ['ts2', 'ts7'], (tsId) => line('registerBinding', { tsId, bid: 0 })],
  ['a tenant system in a connection failure', ['ts2', 'ts7'], (tsId) => line('connectionFailure', { tsId, nveId: 'nve1' })],
];

describe.each([
  ['passes commands on', {}],
  ['says where to go instead', { FORWARD: 'false' }],
] as const)('a registrar that %s (R34)', (_, env) => {
  it.each(PAIRS)('refuses an NVE %s by itself, whichever group serves it, or none', async (what, names, of) => {
    const { url } = await start(env);
    for (const headers of [{}, { 'x-forwarded-group': 'rest' }, { 'x-forwarded-group': 'east' }]) {
      const answers: string[] = [];
      for (const name of names) {
        const response = await fetch(`${url}/v1/commands`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-ndjson', 'authorization': 'Bearer nve1-token', ...headers },
          body: of(name),
        });
        answers.push((await response.text()).replaceAll(name, '<named>'));
      }
      expect(answers[1]).toBe(answers[0]);
      expect(JSON.parse(answers[0]!)).toMatchObject({ code: what.endsWith('detach') ? 'ts-not-at-nve' : 'forbidden' });
    }
  });
});

describe('GET /v1/oracles (R34)', () => {
  const groups = async (who: string): Promise<unknown> => {
    const { url } = await start({});
    const { items } = (await supertest(url).get('/v1/oracles').set('authorization', `Bearer ${who}-token`).expect(200)).body as {
      items: { owner: unknown }[];
    };
    return items.map(({ owner: _owner, ...item }) => item);
  };
  const rest = { group: 'rest', urls: REST.urls, nves: [], tenants: [], rest: true };
  const east = { group: 'east', urls: EAST.urls, nves: [], rest: false };

  it('shows an operator all groups, and an NVE those that serve it and its tenants, without what else they serve', async () => {
    expect(await groups('operator')).toEqual([
      { ...east, nves: EAST.nves, sites: EAST.sites, tenants: EAST.tenants },
      { ...rest, sites: REST.sites },
    ]);
    expect(await groups('nve1')).toEqual([{ ...rest, sites: ['site-1'] }]);
  });

  it('shows an NVE that may serve any tenant the groups of those whose VNs it is in', async () => {
    expect(await groups('nve5')).toEqual([
      { ...east, sites: [], tenants: ['blue'] },
      { ...rest, sites: ['site-5'] },
    ]);
  });
});
