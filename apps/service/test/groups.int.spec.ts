import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { GappedEventStore } from '@nva/event-log/testing';
import { silentLogger } from '@nva/ports';
import { freePort } from '@nva/processes';
import supertest from 'supertest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createService, readConfig, type Service } from '../src/index.ts';
import { macOf, nveBody, tsBody, until, vnBody } from './support.ts';

/** Three registrars over one log: two of group east, one of the rest. */
const NAMES = ['east-1', 'east-2', 'rest'] as const;
type Name = (typeof NAMES)[number];

let directory: string;
let ports: Readonly<Record<Name, number>>;
let store: GappedEventStore;
let services: Map<Name, Service>;

const urlOf = (name: Name): string => `http://127.0.0.1:${ports[name]}`;
const at = (name: Name) => supertest(services.get(name)!.url);
const attach = (name: Name, nveId: string, i: number, fields = {}) =>
  at(name).put(`/v1/nves/${nveId}/tenant-systems/ts${i}`).send(tsBody(i, fields));

async function start(name: Name, env: Record<string, string> = {}): Promise<void> {
  const config = readConfig(
    {
      PORT: String(ports[name]),
      DATA_DIR: directory,
      EVENTSTORE_URL: 'esdb://127.0.0.1:1',
      GROUPS_FILE: join(directory, 'groups.json'),
      GROUP: name.split('-')[0]!,
      ADVERTISED_URL: urlOf(name),
      ...env,
    },
    ['registrar'],
  );
  services.set(
    name,
    await createService(config, ['registrar'], {
      logger: silentLogger,
      store,
      failed: (cause) => {
        throw cause;
      },
    }),
  );
}

async function stop(name: Name): Promise<void> {
  await services.get(name)?.close();
  services.delete(name);
}

const ownerOf = async (group: string): Promise<string | undefined> => {
  const { items } = (await at('rest').get('/v1/oracles').expect(200)).body as { items: { group: string; owner: { url: string } | null }[] };
  return items.find((item) => item.group === group)?.owner?.url;
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-groups-'));
  ports = { 'east-1': await freePort(), 'east-2': await freePort(), 'rest': await freePort() };
  const groups = [
    { name: 'east', urls: [urlOf('east-1'), urlOf('east-2')], sites: ['site-east'], nves: ['nve-special'] },
    { name: 'rest', urls: [urlOf('rest')], rest: true },
  ];
  await writeFile(join(directory, 'groups.json'), JSON.stringify({ groups }));
});

afterAll(() => rm(directory, { recursive: true }));

beforeEach(async () => {
  store = new GappedEventStore({ codec: createEventCodec(), seed: 1 });
  services = new Map();
  for (const name of NAMES) await start(name);
  await at('rest').put('/v1/vns/1').send(vnBody()).expect(200);
  await at('rest')
    .put('/v1/nves/nve1')
    .send({ ...nveBody(1), siteId: 'site-east', leaseS: 60 })
    .expect(200);
  await at('rest')
    .put('/v1/nves/nve2')
    .send({ ...nveBody(2), leaseS: 60 })
    .expect(200);
});

afterEach(async () => {
  for (const name of NAMES) await stop(name);
  await store.close();
});

describe('several NVAs for one VN, each for a group of tenant systems (R34)', () => {
  it('carry out a sweep wherever it is asked: each tenant system’s command is decided by its own group', async () => {
    for (const i of [1, 2, 3]) await attach('east-1', 'nve1', i).expect(200);
    const head = (await store.head()).position;
    await until(async () => Number((await at('rest').get('/readyz')).body.foldPosition) >= head);
    const { body } = await at('rest')
      .put('/v1/nves/nve1/tenant-systems')
      .set('x-correlation-id', 'sweep')
      .send({ incarnation: 1, tenantSystems: [{ tsId: 'ts2' }] })
      .expect(200);
    expect(body).toMatchObject({
      done: 2,
      items: [
        { tsId: 'ts1', status: 200, revision: 1 },
        { tsId: 'ts3', status: 200, revision: 1 },
      ],
    });
    const caused: string[] = [];
    for await (const batch of store.readAll({ after: store.checkpointAt(head) }))
      for (const { stream, event } of batch.events) caused.push(`${stream} ${event.type} ${event.data.audit.correlationId}`);
    expect(caused).toEqual(['ts-ts1 TenantSystemDetached sweep', 'ts-ts3 TenantSystemDetached sweep']);
    await stop('east-1');
    await stop('east-2');
    expect(
      (await at('rest').put('/v1/nves/nve1/tenant-systems').send({ incarnation: 1, tenantSystems: [] }).expect(503)).body.code,
    ).toMatch(/^(?:oracle-unreachable|outcome-unknown)$/);
  });

  it('say which of them serves what, and who owns its deadlines', async () => {
    const { items } = (await at('east-2').get('/v1/oracles').expect(200)).body;
    expect(items).toEqual([
      {
        group: 'east',
        urls: [urlOf('east-1'), urlOf('east-2')],
        nves: ['nve-special'],
        sites: ['site-east'],
        tenants: [],
        rest: false,
        owner: { oracleId: expect.any(String), url: urlOf('east-1'), since: expect.stringMatching(/^\d+$/) },
      },
      {
        group: 'rest',
        urls: [urlOf('rest')],
        nves: [],
        sites: [],
        tenants: [],
        rest: true,
        owner: { oracleId: expect.any(String), url: urlOf('rest'), since: expect.stringMatching(/^\d+$/) },
      },
    ]);
  });

  it('take commands for each other, and answer as the one that decided did', async () => {
    const { body } = await attach('rest', 'nve1', 1).set('x-correlation-id', 'over-there').expect(200);
    expect(body).toEqual({ position: expect.any(String), revision: 0, effective: true, conflicts: [], memberships: [1] });
    const repeated = await attach('east-1', 'nve1', 1).expect(200);
    expect(repeated.body.position).toBe(body.position);
    const [event] = await Array.fromAsync(store.readStream('ts-ts1'));
    expect(event!.event.data.audit.correlationId).toBe('over-there');
    const refused = await attach('rest', 'nve1', 2, { mac: macOf(1) }).expect(409);
    expect([refused.headers['content-type'], refused.body.code]).toEqual(['application/problem+json; charset=utf-8', 'duplicate-mac']);
  });

  it('divide a batch among themselves, and keep its order', async () => {
    const line = (nveId: string, i: number): string => JSON.stringify({ command: 'attach', nveId, tsId: `ts${i}`, ...tsBody(i) });
    const lines = [line('nve1', 1), line('nve2', 2), '{"command": "attach"}', line('nve1', 3), line('nve9', 4), line('nve2', 5)];
    const { text } = await at('rest').post('/v1/commands').set('content-type', 'application/x-ndjson').send(lines.join('\n')).expect(200);
    const answers = text
      .trim()
      .split('\n')
      .map((answer) => JSON.parse(answer) as { line: number; status: number });
    expect(answers.map(({ line: number, status }) => [number, status])).toEqual([
      [1, 200],
      [2, 200],
      [3, 400],
      [4, 200],
      [5, 404],
      [6, 200],
    ]);
  });

  it('keep one answer for an Idempotency-Key, whichever of them is asked', async () => {
    const first = await attach('rest', 'nve1', 1).set('idempotency-key', 'k1').expect(200);
    await at('east-1').delete('/v1/nves/nve1/tenant-systems/ts1').expect(200);
    for (const name of ['rest', 'east-1', 'east-2'] as const)
      expect((await attach(name, 'nve1', 1).set('idempotency-key', 'k1').expect(200)).body, name).toEqual(first.body);
    await attach('rest', 'nve1', 2).set('idempotency-key', 'k1').expect(422);
  });

  it('say where to go instead, if they are told not to forward', async () => {
    await stop('rest');
    await start('rest', { FORWARD: 'false' });
    const { body } = await attach('rest', 'nve1', 1).expect(421);
    expect(body).toMatchObject({ code: 'misdirected', expected: [urlOf('east-1'), urlOf('east-2')], actual: 'rest', row: 'R34' });
    await attach('rest', 'nve2', 2).expect(200);
  });

  it('use another registrar of the group when one is gone, and say so when none is there', async () => {
    await stop('east-1');
    await attach('rest', 'nve1', 1).expect(200);
    await stop('east-2');
    const { body } = await attach('rest', 'nve1', 2).expect(503);
    expect(body).toMatchObject({ code: 'oracle-unreachable', actual: 'east' });
    await attach('rest', 'nve2', 2).expect(200);
  });

  it('answer by themselves what changes nothing and renews nothing, the owner of the deadlines being gone', async () => {
    await attach('east-2', 'nve1', 1).expect(200);
    await attach('east-2', 'nve1', 2, { bindings: [{ bid: 1, vnid: 1, ip: '10.0.0.2', lifetimeS: 600 }] }).expect(200);
    await stop('east-1');
    await attach('east-2', 'nve1', 1).expect(200);
    // This one renews a lifetime.
    await attach('east-2', 'nve1', 2, { bindings: [{ bid: 1, vnid: 1, ip: '10.0.0.2', lifetimeS: 600 }] }).expect(503);
  });

  it('refuse what another took them for and they are not, instead of sending it round', async () => {
    const { body } = await attach('rest', 'nve1', 1).set('x-forwarded-group', 'east').expect(421);
    expect(body.code).toBe('misdirected');
  });
});

describe('the heartbeats of an NVE', () => {
  const beat = (name: Name) => at(name).post('/v1/nves/nve1/heartbeat').send({ incarnation: 1 });
  const deadlines = (name: Name): number => services.get(name)!.core.registrarRole!.deadlines.size;

  it('reach the owner of its group through any registrar', async () => {
    expect([deadlines('east-1'), deadlines('east-2'), deadlines('rest')]).toEqual([1, 0, 1]);
    const heard: string[] = [];
    services.get('east-1')!.core.registrarRole!.registrar.onRenewal((command) => heard.push(command.type));
    await beat('east-2').expect(200);
    await beat('rest').expect(200);
    expect(heard).toEqual(['heartbeat', 'heartbeat']);
  });

  it('tell what it has applied at every process, from the one that heard it last', async () => {
    const report = (position: number) => ({
      incarnation: 1,
      applied: [{ vnid: 1, log: store.logId, position: String(position), digest: 'd'.repeat(16) }],
    });
    const applied = async (http: ReturnType<typeof supertest>): Promise<unknown> =>
      (await http.get('/v1/nves/nve1').expect(200)).body.memberships[0].applied;
    const config = readConfig({ PORT: '0', DATA_DIR: directory, EVENTSTORE_URL: 'esdb://127.0.0.1:1' }, ['admin']);
    const admin = await createService(config, ['admin'], {
      logger: silentLogger,
      store,
      failed: (cause) => {
        throw cause;
      },
    });
    try {
      const { position } = (await attach('rest', 'nve1', 1).expect(200)).body;
      await supertest(admin.url).get('/v1/nves').set('x-min-position', position).expect(200);
      await at('rest').post('/v1/nves/nve1/heartbeat').send(report(1)).expect(200);
      expect(await applied(supertest(admin.url))).toMatchObject({ position: '1' });
      // The first owner lives on and keeps what it heard; the second hears what is newer.
      const { election } = services.get('east-2')!.core.registrarRole!;
      await store.append([
        {
          stream: 'oracle-east',
          expectedRevision: 0,
          events: [
            {
              id: crypto.randomUUID(),
              event: {
                type: 'OracleTookOver',
                data: {
                  audit: { recordedAt: 0, actor: 'spec', correlationId: 'spec', idempotencyKey: null, requestDigest: null },
                  group: 'east',
                  oracleId: election!.oracleId,
                  url: urlOf('east-2'),
                },
              },
            },
          ],
        },
      ]);
      await until(() => election!.owner() !== null);
      await at('rest').post('/v1/nves/nve1/heartbeat').send(report(2)).expect(200);
      expect(await applied(supertest(admin.url))).toMatchObject({ position: '2' });
    } finally {
      await admin.close();
    }
  });

  it('are heard by the one that takes over when the owner is gone, and its lease starts anew (X6)', async () => {
    await stop('east-1');
    await beat('east-2').expect(503);
    await until(async () => (await ownerOf('east')) === urlOf('east-2'), 10_000);
    expect(deadlines('east-2')).toBe(1);
    await beat('rest').expect(200);
    await start('east-1');
    expect(deadlines('east-1')).toBe(0);
    await beat('east-1').expect(200);
  });
});
