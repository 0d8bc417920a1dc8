import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventCodec, type CommandLine } from '@nva/codec';
import { GappedEventStore } from '@nva/event-log/testing';
import { silentLogger, StoreUnavailable } from '@nva/ports';
import supertest from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createService, readConfig, type Service } from '../src/index.ts';
import { CommandTopics, OPERATOR_TOKEN, secretOf } from './kafka-commands-support.ts';
import { macOf, populate, tsBody, until } from './support.ts';

let directory: string;
let topics: CommandTopics;
let store: GappedEventStore;
let services: Service[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-registrars-'));
  topics = await CommandTopics.make(directory);
  store = new GappedEventStore({ codec: createEventCodec(), seed: 1 });
  services = [];
});

afterEach(async () => {
  for (const service of services) await service.close();
  await topics.dispose();
  await store.close();
  await rm(directory, { recursive: true });
});

async function start(env: Record<string, string> = {}): Promise<Service> {
  const config = readConfig(
    { ...topics.env, EVENTSTORE_URL: 'esdb://127.0.0.1:1', ADVERTISED_URL: 'http://127.0.0.1:1', PORT: '0', DATA_DIR: directory, ...env },
    ['registrar'],
  );
  const service = await createService(config, ['registrar'], {
    logger: silentLogger,
    store,
    failed: (cause) => {
      throw cause;
    },
  });
  services.push(service);
  return service;
}

const stop = async (service: Service): Promise<void> => {
  services = services.filter((other) => other !== service);
  await service.close();
};

const attach = (n: number, fields: object = {}): CommandLine => ({
  command: 'attach',
  nveId: 'nve1',
  tsId: `ts${n}`,
  ...tsBody(n, { mac: `02:00:00:02:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`, bindings: [] }),
  ...fields,
});

describe('registrars that share the commands on Kafka', () => {
  it('take over from each other under load: every command is done once, in the order of its key', async () => {
    const first = await start();
    await populate(supertest(first.url), OPERATOR_TOKEN);
    const sender = topics.sender('nve1');
    const sent: ReturnType<typeof sender.send>[] = [];
    let n = 0;
    const load = setInterval(() => {
      for (let i = 0; i < 10; i++, n++)
        sent.push(
          sender.send(attach(n)),
          sender.send({
            command: 'changeMac',
            tsId: `ts${n}`,
            mac: `02:00:00:03:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`,
          }),
          sender.send({ command: 'detach', nveId: 'nve1', tsId: `ts${n}` }),
        );
    }, 20);
    try {
      await until(() => first.commands!.counters.commands > 50);
      const second = await start();
      await until(() => second.commands!.counters.commands > 50, 20_000);
      await stop(first);
      const before = second.commands!.counters.commands;
      await until(() => second.commands!.counters.commands > before + 50, 20_000);
    } finally {
      clearInterval(load);
    }
    const outcomes = await Promise.all(sent);
    expect(new Set(outcomes.map(({ status, code }) => code ?? status))).toEqual(new Set([200]));
    for (let i = 0; i < n; i++) {
      const events = await Array.fromAsync(store.readStream(`ts-ts${i}`));
      expect(
        events.map(({ event }) => event.type),
        `ts${i}`,
      ).toEqual(['TenantSystemAttached', 'MacChanged', 'TenantSystemDetached']);
    }
  }, 300_000);

  it('try again what the log did not take, and what comes behind it for its tenant system', async () => {
    const service = await start();
    await populate(supertest(service.url), OPERATOR_TOKEN);
    const append = store.append.bind(store);
    let failures = 2;
    Object.assign(store, {
      append: (appends: Parameters<typeof append>[0]) =>
        failures-- > 0 ? Promise.reject(new StoreUnavailable('the disk is full')) : append(appends),
    });
    await topics.write(attach(1), {}, secretOf('nve1'));
    await topics.write({ command: 'changeMac', tsId: 'ts1', mac: macOf(9) }, {}, secretOf('nve1'));
    await topics.write({ command: 'detach', nveId: 'nve1', tsId: 'ts1' }, {}, secretOf('nve1'));
    await until(async () => (await topics.outcomes('nve1')).length === 3);
    expect((await topics.outcomes('nve1')).map(({ status, revision }) => [status, revision])).toEqual([
      [200, 0],
      [200, 1],
      [200, 2],
    ]);
    expect(failures).toBeLessThan(0);
  });

  it('do each other\u2019s commands, and refuse what only renews a deadline that another keeps (R34, R24a)', async () => {
    const file = join(directory, 'groups.json');
    const url = (port: number): string => `http://127.0.0.1:${port}`;
    await writeFile(
      file,
      JSON.stringify({
        groups: [
          { name: 'east', urls: [url(1)], nves: ['nve1'] },
          { name: 'rest', urls: [url(2)], rest: true },
        ],
      }),
    );
    const service = await start({ GROUPS_FILE: file, GROUP: 'rest', ADVERTISED_URL: url(2), FORWARD: 'false' });
    const operator = await start({ KAFKA_COMMANDS: 'false' });
    await populate(supertest(operator.url), OPERATOR_TOKEN);
    expect(service.commands).not.toBeNull();
    const line = attach(1, { bindings: [{ vnid: 1, ip: '10.0.0.1', lifetimeS: 60 }] });
    expect(await topics.sender('nve1').send(line)).toMatchObject({ status: 200, revision: 0 });
    expect(await topics.sender('nve1').send(line)).toMatchObject({ status: 422, code: 'rest-only', row: 'R34' });
    const own = { ...line, nveId: 'nve2', tsId: 'ts2', mac: macOf(2), bindings: [{ vnid: 1, ip: '10.0.0.2', lifetimeS: 60 }] };
    await topics.sender('nve2').send(own);
    expect(await topics.sender('nve2').send(own)).toMatchObject({ status: 200, revision: 0 });
  });
});
