import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@nva/ports';
import { freePort } from '@nva/processes';
import supertest from 'supertest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Trio } from '../../../test/eventstore/trio.ts';
import { createService, readConfig, ROLES, type Service } from '../src/index.ts';
import { until, vnBody, type Http } from './support.ts';

let directory: string;
let trio: Trio;
let nva: Service;
let http: Http;
let failures: unknown[];

const leaderIs = (there: boolean): Promise<void> => until(() => (nva.core.store.leader!.node !== null) === there);
const metric = async (name: string): Promise<string | undefined> =>
  new RegExp(`^${name} (\\S+)$`, 'm').exec((await http.get('/metrics').expect(200)).text)?.[1];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-election-'));
  trio = await Trio.start();
  failures = [];
  const port = await freePort();
  const config = readConfig(
    { PORT: String(port), DATA_DIR: directory, EVENTSTORE_URL: trio.url, ADVERTISED_URL: `http://127.0.0.1:${port}` },
    ROLES,
  );
  nva = await createService(config, ROLES, { logger: silentLogger, failed: (cause) => failures.push(cause) });
  http = supertest(nva.url);
});

afterEach(async () => {
  await nva.close();
  await trio.stop();
  await rm(directory, { recursive: true });
  expect(failures).toEqual([]);
});

describe('an event store that has no leader', () => {
  it('is told by /readyz, with 503 and a field, and by a metric; both say so when there is one again (X6)', async () => {
    await until(() => nva.core.ready);
    expect((await http.get('/readyz').expect(200)).body.eventStore).toMatchObject({ leader: true });
    expect(await metric('nva_event_store_leader')).toBe('1');
    trio.elect(null);
    await leaderIs(false);
    expect((await http.get('/readyz').expect(503)).body).toMatchObject({
      ready: false,
      eventStore: { leader: false, forS: expect.any(Number) },
    });
    expect(await metric('nva_event_store_leader')).toBe('0');
    expect(await metric('nva_ready')).toBe('0');
    trio.elect(2);
    await leaderIs(true);
    expect((await http.get('/readyz').expect(200)).body.eventStore).toMatchObject({ leader: true });
    expect(await metric('nva_event_store_leader')).toBe('1');
  }, 300_000);

  it('answers a write that waits for too long with 503 and what is known, and its repeat with what came of it (X6)', async () => {
    await http.put('/v1/vns/1').send(vnBody()).expect(200);
    trio.elect(null);
    await leaderIs(false);
    const key = randomUUID();
    const { body, headers } = await http.put('/v1/vns/2').set('idempotency-key', key).send(vnBody()).expect(503);
    expect(body).toMatchObject({
      code: 'outcome-unknown',
      detail: expect.stringMatching(/the event store has had no leader for \d+ s; sending it again tells$/),
    });
    expect(headers['retry-after']).toBe('1');
    // What it has is answered and told all the same; what only the log knows is not.
    expect((await http.get('/v1/vns/1').expect(200)).body).toMatchObject({ vnid: 1 });
    await http.head('/v1/vns/1/feed').expect(200);
    expect((await http.get('/v1/events').expect(503)).body).toMatchObject({ code: 'log-unavailable' });
    trio.elect(1);
    await leaderIs(true);
    const repeated = await http.put('/v1/vns/2').set('idempotency-key', key).send(vnBody()).expect(200);
    expect(Number(repeated.body.position)).toBeGreaterThan(0);
    const { items } = (await http.get('/v1/events?entity=vn-2').expect(200)).body as { items: unknown[] };
    expect(items).toHaveLength(1);
  }, 300_000);
});
