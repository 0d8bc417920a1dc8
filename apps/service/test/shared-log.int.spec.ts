import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, StoreUnavailable, systemClock, type LogLoss } from '@nva/ports';
import { freePort } from '@nva/processes';
import supertest from 'supertest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { StandInProcess } from '../../../test/eventstore/stand-in-process.ts';
import { acceptLoss } from '../src/log/accept-loss.ts';
import { LossFile } from '../src/log/loss-file.ts';
import { ConfigError, createService, readConfig, ROLES, type Role, type Service } from '../src/index.ts';
import { nveBody, tsBody, until, vnBody } from './support.ts';

let directory: string;
let eventStore: StandInProcess;
let services: Service[];
let failures: unknown[];
let prefixes = 0;
let prefix: string;

/** A process of these roles over the log that all of a test share. */
async function start(roles: readonly Role[], name: string, env: Record<string, string> = {}): Promise<Service> {
  const port = await freePort();
  const config = readConfig(
    {
      PORT: String(port),
      DATA_DIR: join(directory, prefix, name),
      EVENTSTORE_URL: eventStore.url,
      EVENTSTORE_PREFIX: prefix,
      ADVERTISED_URL: `http://127.0.0.1:${port}`,
      ...env,
    },
    roles,
  );
  const service = await createService(config, roles, { logger: silentLogger, failed: (cause) => failures.push(cause) });
  services.push(service);
  return service;
}

const digestOf = ({ core }: Service) => core.replica.digests.current('vn/1');

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-shared-log-'));
  eventStore = await StandInProcess.start(join(directory, 'eventstore'));
});

afterAll(async () => {
  await eventStore.kill();
  await rm(directory, { recursive: true });
});

beforeEach(() => {
  services = [];
  failures = [];
  prefix = `log${++prefixes}-`;
});

afterEach(async () => {
  for (const service of services) await service.close();
});

describe('services that share a log on EventStoreDB', () => {
  it('answer at any instance what was written at any other, from its position on', async () => {
    const [one, two] = [await start(['registrar'], 'one'), await start(['registrar'], 'two')];
    const admin = supertest((await start(['admin'], 'admin')).url);
    await supertest(one.url).put('/v1/vns/1').send(vnBody()).expect(200);
    await supertest(one.url).put('/v1/nves/nve1').send(nveBody(1)).expect(200);
    const { position } = (
      await supertest(two.url)
        .put('/v1/nves/nve1/tenant-systems/ts1')
        .set('x-min-position', String(one.core.replica.network.position))
        .send(tsBody(1))
        .expect(200)
    ).body;
    const { items } = (await admin.get('/v1/vns/1/mappings').set('x-min-position', position).expect(200)).body;
    const past = (await admin.get(`/v1/vns/1/mappings?at=${position}`).expect(200)).body;
    expect(past).toEqual({ items, at: { position, recordedAt: expect.any(String) } });
    expect((await admin.get(`/v1/vns/1/mappings?at=${Number(position) - 1}`).expect(200)).body.items).toEqual([]);
    expect((await admin.get('/v1/explain?vnid=1&ip=10.0.0.1').expect(200)).body).toMatchObject({ reason: 'distributed', partial: false });
    await until(async () => (await admin.get('/v1/tlog/checkpoint')).text?.includes(`nva position ${position}\n`) ?? false);
    expect((await admin.get(`/v1/tlog/inclusion?position=${position}`).expect(200)).body).toMatchObject({ position, index: 3 });
    expect((await admin.get('/v1/timeline?tsId=ts1').expect(200)).body.items).toMatchObject([{ position, type: 'TenantSystemAttached' }]);
    expect(items).toMatchObject([{ tsId: 'ts1', ip: '10.0.0.1' }]);
  });

  it('tell what a tenant may have at an admin too, by the quotas that it was given', async () => {
    const file = join(directory, `${prefix}quotas.json`);
    await writeFile(file, JSON.stringify({ tenants: { '*': { vns: 3 } } }));
    const [registrar, admin] = [
      await start(['registrar'], 'one', { QUOTAS_FILE: file }),
      await start(['admin'], 'admin', { QUOTAS_FILE: file }),
    ];
    await supertest(registrar.url).put('/v1/vns/1').send(vnBody()).expect(200);
    const { position } = (await supertest(registrar.url).put('/v1/vns/2').send(vnBody()).expect(200)).body;
    const { body } = await supertest(admin.url).get('/v1/usage?tenantId=red').set('x-min-position', position).expect(200);
    expect(body).toEqual({
      tenantId: 'red',
      tenantSystems: { used: 0, limit: null },
      bindings: { used: 0, limit: null },
      vns: { used: 2, limit: 3 },
    });
  });

  it('answer for the events after any number, between two events too, and before what a snapshot spared the fold', async () => {
    const nva = await start(ROLES, 'nva');
    const http = supertest(nva.url);
    await http.put('/v1/vns/1').send(vnBody()).expect(200);
    await http.put('/v1/nves/nve1').send(nveBody(1)).expect(200);
    for (let n = 1; n <= 20; n++) await http.put(`/v1/nves/nve1/tenant-systems/ts${n}`).send(tsBody(n)).expect(200);
    const { items } = (await http.get('/v1/events').expect(200)).body as { items: { position: string }[] };
    const positions = items.map(({ position }) => Number(position));
    for (const after of [0, 1, ...positions.flatMap((position) => [position - 1, position, position + 1])]) {
      const found = (await http.get(`/v1/events?limit=3&after=${after}`).expect(200)).body.items.map(({ position }: { position: string }) =>
        Number(position),
      );
      expect(found, `after ${after}`).toEqual(positions.filter((position) => position > after).slice(0, 3));
      const before = (await http.get(`/v1/events?limit=3&before=${after}`).expect(200)).body.items.map(
        ({ position }: { position: string }) => Number(position),
      );
      expect(before, `before ${after}`).toEqual(
        positions
          .filter((position) => position < after)
          .toReversed()
          .slice(0, 3),
      );
    }
  });

  it('show on an admin by itself what NVEs have reported to the registrar that hears them, one NVE or all of them', async () => {
    const [registrar, adminProcess] = [await start(['registrar'], 'one'), await start(['admin'], 'admin')];
    const admin = supertest(adminProcess.url);
    await supertest(registrar.url).put('/v1/vns/1').send(vnBody()).expect(200);
    for (const n of [1, 2, 3]) {
      await supertest(registrar.url).put(`/v1/nves/nve${n}`).send(nveBody(n)).expect(200);
      await supertest(registrar.url).put(`/v1/nves/nve${n}/tenant-systems/ts${n}`).send(tsBody(n)).expect(200);
    }
    await expect.poll(() => registrar.core.registrarRole!.election!.owner()).not.toBeNull();
    const { position, digest } = digestOf(registrar);
    for (const n of [1, 3])
      await supertest(registrar.url)
        .post(`/v1/nves/nve${n}/heartbeat`)
        .send({ incarnation: 1, applied: [{ vnid: 1, log: registrar.core.store.logId, position: String(position), digest }] })
        .expect(200);
    const shown = async (path: string) => (await admin.get(path).set('x-min-position', String(position)).expect(200)).body;
    const verdicts = ({ items }: { items: { nveId: string; memberships: { applied: { verdict: string } | null }[] }[] }) =>
      items.map(({ nveId, memberships }) => [nveId, memberships[0]!.applied?.verdict ?? null]);
    await expect
      .poll(async () => verdicts(await shown('/v1/nves')))
      .toEqual([
        ['nve1', 'same'],
        ['nve2', null],
        ['nve3', 'same'],
      ]);
    expect(verdicts(await shown('/v1/nves?after=nve1&limit=2'))).toEqual([
      ['nve2', null],
      ['nve3', 'same'],
    ]);
    expect((await shown('/v1/nves/nve3')).memberships[0].applied.verdict).toBe('same');
  });

  it('have the same table and digest after a restart, from the log alone', async () => {
    const nva = await start(ROLES, 'nva');
    const http = supertest(nva.url);
    await http.put('/v1/vns/1').send(vnBody()).expect(200);
    await http.put('/v1/nves/nve1').send(nveBody(1)).expect(200);
    for (let i = 1; i <= 20; i++) await http.put(`/v1/nves/nve1/tenant-systems/ts${i}`).send(tsBody(i)).expect(200);
    const mappings = (await http.get('/v1/vns/1/mappings').expect(200)).body;
    expect(mappings.items).toHaveLength(20);
    const digest = digestOf(nva);
    await nva.close();
    services = [];
    const again = await start(ROLES, 'elsewhere');
    expect((await supertest(again.url).get('/v1/vns/1/mappings').expect(200)).body).toEqual(mappings);
    expect(digestOf(again)).toEqual(digest);
  });
});

describe('a shared log that has lost its end', () => {
  const configOf = (name: string) =>
    readConfig(
      {
        DATA_DIR: join(directory, prefix, name),
        EVENTSTORE_URL: eventStore.url,
        EVENTSTORE_PREFIX: prefix,
        ADVERTISED_URL: 'http://127.0.0.1:1',
      },
      ['registrar'],
    );
  const known = (log: string, position: number): LogLoss => ({ log, head: 0, marks: [{ where: 'spec', position }] });

  it('is refused to a process that knows of it, however far others have written since; accepted at one, it is for all, and those that run start anew', async () => {
    const [one, two] = [await start(['registrar'], 'one'), await start(['registrar'], 'two')];
    const { logId } = one.core.store;
    await supertest(one.url).put('/v1/vns/1').send(vnBody()).expect(200);
    await one.close();
    services = [two];
    for (const name of ['one', 'three']) new LossFile(join(directory, prefix, name)).add(known(logId, 1));
    await expect(start(['registrar'], 'one')).rejects.toThrow(
      /has lost its end: .*Remove it by hand only if callers made their places up, or once the whole log is back on an event store/,
    );
    await acceptLoss(configOf('one'), 'the cluster was put back', systemClock, silentLogger);
    expect(new LossFile(join(directory, prefix, 'one')).read()).toBeNull();
    await until(() => failures.length > 0);
    expect((failures[0] as Error).message).toMatch(new RegExp(`the loss of the end of log ${logId} was accepted, .*: start again`));
    await two.close();
    services = [];
    const three = await start(['registrar'], 'three');
    expect(three.core.store.logId).not.toBe(logId);
    expect(new LossFile(join(directory, prefix, 'three')).read()).toBeNull();
    expect(await Array.fromAsync(three.core.store.readStream('log'))).toMatchObject([
      { event: { type: 'LogRenewed', data: { previousLog: logId, log: three.core.store.logId, reason: 'the cluster was put back' } } },
    ]);
  });
});

describe('a log on EventStoreDB that cannot be opened', () => {
  it('for the server does not answer is waited for, and says which it tried, but no password, until the start is ended', async () => {
    const lines: string[] = [];
    const said = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
    const stop = new AbortController();
    const port = await freePort();
    const config = readConfig(
      {
        PORT: '0',
        DATA_DIR: join(directory, prefix, 'nobody'),
        EVENTSTORE_URL: `esdb://admin:changeit@127.0.0.1:${port}?tls=false`,
        ADVERTISED_URL: 'http://127.0.0.1:1',
      },
      ['registrar'],
    );
    const starting = createService(config, ['registrar'], {
      logger: { ...silentLogger, info: said, warn: said, error: said },
      signal: stop.signal,
      failed: (cause) => failures.push(cause),
    });
    const ended = starting.catch((error: unknown) => error);
    await until(() => lines.length > 0);
    expect(lines).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);
    stop.abort();
    expect(await ended).toBeInstanceOf(StoreUnavailable);
    expect([String(await ended), ...lines, ...failures].join('\n')).not.toContain('changeit');
  });

  it('for its connection string is wrong names the variable, and not the password', async () => {
    const refused = start(['registrar'], 'wrong', {
      EVENTSTORE_URL: `${eventStore.url.replace('//', '//admin:changeit@')}&tlsVerifyCert=false`,
    });
    await expect(refused).rejects.toBeInstanceOf(ConfigError);
    await expect(refused).rejects.toThrow(/^EVENTSTORE_URL: .*tlsVerifyCert/);
    await expect(refused).rejects.not.toThrow('changeit');
  });
});
