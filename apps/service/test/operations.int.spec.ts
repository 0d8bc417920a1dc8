import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '@nva/ports';
import supertest from 'supertest';
import { ManualClock } from '../../../libs/registrar/test/harness.ts';
import { createService, readConfig, ROLES } from '../src/index.ts';
import { populate, startNva, temporaryDirectory, tsBody, type NvaFixture, type NvaFixtureOptions } from './support.ts';

let nva: NvaFixture | null = null;

afterEach(async () => {
  await nva?.stop();
  nva = null;
});

async function start(options?: NvaFixtureOptions): Promise<NvaFixture> {
  nva = await startNva(options);
  await populate(nva.http);
  return nva;
}

async function metric({ http }: NvaFixture, name: string): Promise<number> {
  const { text } = await http.get('/metrics').expect(200);
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

const attach = ({ http }: NvaFixture, n: number, nve: number) =>
  http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).send(tsBody(n)).expect(200);

describe('health', () => {
  it('is told by healthz and readyz, with how far the fold and the feeds are', async () => {
    const { http, server } = await start();
    expect((await http.get('/healthz').expect(200)).body).toEqual({ status: 'ok' });
    expect((await http.get('/readyz').expect(200)).body).toEqual({
      ready: true,
      log: server.core.store.logId,
      foldPosition: '6',
      publishedPosition: expect.stringMatching(/^\d+$/),
    });
  });

  it('is not ready while the feeds cannot be reached; writes are taken, feeds are named', async () => {
    const directory = await temporaryDirectory();
    const server = await createService(readConfig({ PORT: '0', DATA_DIR: directory.path, KAFKA_BROKERS: '127.0.0.1:1' }), ROLES, {
      logger: silentLogger,
      failed: () => {},
    });
    try {
      const http = supertest(server.url);
      await populate(http);
      expect((await http.get('/readyz').expect(503)).body).toMatchObject({ ready: false, foldPosition: '6', publishedPosition: '0' });
      expect((await http.get('/metrics').expect(200)).text).toMatch(/^nva_ready 0$/m);
      expect((await http.get('/v1/vns/1/feed').expect(404)).body).toMatchObject({
        code: 'not-found',
        detail: expect.stringContaining('nvo3.vn.1'),
      });
    } finally {
      await server.close();
      await directory.remove();
    }
  });
});

describe('metrics', () => {
  it('tell what there is and what happened', async () => {
    const fixture = await start();
    const response = await fixture.http.get('/metrics').expect(200);
    expect(response.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const name of [
      'nva_fold_position',
      'nva_published_position',
      'nva_feed_queued_records',
      'nva_commands_in_flight',
      'nva_terms',
      'nva_vns',
      'nva_nves',
      'nva_tenant_systems',
      'nva_feed_followers',
      'nva_ready',
      'nva_events_folded_total',
      'nva_stream_conflicts_total',
      'nva_records_published_total',
      'nva_publish_failures_total',
      'nva_reconciliations_total',
      'nva_undecodable_records_total',
      'nva_digest_mismatches_total',
      'nva_move_alarms_total',
      'nva_http_request_duration_seconds',
      'process_cpu_user_seconds_total',
      'nodejs_eventloop_lag_seconds',
    ])
      expect(response.text).toContain(`# TYPE ${name} `);
    // Of brokers that keep rights (test/e2e/isolation-processes.e2e.spec.ts); here are none.
    expect(response.text).not.toContain('nva_feed_rights');
    expect(await metric(fixture, 'nva_vns')).toBe(3);
    expect(await metric(fixture, 'nva_nves')).toBe(3);
    const [events, records] = [await metric(fixture, 'nva_events_folded_total'), await metric(fixture, 'nva_records_published_total')];
    await attach(fixture, 1, 1);
    expect(await metric(fixture, 'nva_events_folded_total')).toBe(events + 1);
    expect(await metric(fixture, 'nva_fold_position')).toBe(7);
    expect(await metric(fixture, 'nva_tenant_systems')).toBe(1);
    // The membership, the member and the mapping.
    await expect.poll(() => metric(fixture, 'nva_records_published_total'), { timeout: 240_000 }).toBe(records + 3);
    expect(await metric(fixture, 'nva_published_position')).toBe(7);
    expect((await fixture.http.get('/metrics')).text).toMatch(
      /nva_http_request_duration_seconds_count\{method="PUT",route="\/v1\/nves\/:nveId\/tenant-systems\/:tsId",status="200"\} 1/,
    );
  });

  it('tell how many records the topic of a VN holds, since it was read last', async () => {
    const fixture = await start();
    const held = async (): Promise<string[]> =>
      ((await fixture.http.get('/metrics')).text.match(/^nva_vn_topics?_records.*$/gm) ?? []).toSorted();
    await attach(fixture, 1, 1);
    const context = ['nva_vn_topic_records{vnid="2"} 1', 'nva_vn_topic_records{vnid="9"} 1'];
    await expect.poll(held, { timeout: 240_000 }).toEqual(['nva_vn_topic_records{vnid="1"} 3', ...context, 'nva_vn_topics_records 5']);
    await attach(fixture, 1, 2);
    // The mapping again, another member, and the first one's removal.
    await expect.poll(held, { timeout: 240_000 }).toEqual(['nva_vn_topic_records{vnid="1"} 6', ...context, 'nva_vn_topics_records 8']);
  });

  it('tell the head of the log as it is at that scrape, not as it was at the one before', async () => {
    const fixture = await start();
    for (const n of [1, 2, 3]) {
      await attach(fixture, n, 1);
      expect(await metric(fixture, 'nva_log_head_position')).toBe(await fixture.head());
    }
  });

  it('count the leases that run', async () => {
    const fixture = await start();
    expect(await metric(fixture, 'nva_terms')).toBe(0);
    await fixture.http
      .put('/v1/nves/nve9')
      .send({ siteId: 's', mac: '02:00:00:00:ff:09', addresses: ['198.51.100.9'], leaseS: 600 })
      .expect(200);
    expect(await metric(fixture, 'nva_terms')).toBe(1);
  });

  it('raise an alarm at the sixth move within 180 s, not at five, nor at six over a longer time (X9)', async () => {
    const clock = new ManualClock();
    const fixture = await start({ clock });
    const alarm = async (n: number) => (await fixture.http.get(`/v1/tenant-systems/ts${n}`).expect(200)).body.moveAlarm;
    await attach(fixture, 1, 1);
    for (let move = 1; move <= 5; move++) {
      clock.advance(1_000);
      await attach(fixture, 1, 1 + (move % 2));
    }
    expect(await metric(fixture, 'nva_move_alarms_total')).toBe(0);
    expect(await alarm(1)).toBe(false);
    await attach(fixture, 1, 3);
    expect(await metric(fixture, 'nva_move_alarms_total')).toBe(1);

    await attach(fixture, 2, 1);
    for (let move = 1; move <= 12; move++) {
      clock.advance(40_000);
      await attach(fixture, 2, 1 + (move % 2));
    }
    expect(await metric(fixture, 'nva_move_alarms_total')).toBe(1);
  });
});

describe('changes of place that no command calls a move', () => {
  const ways = {
    'detach and attach': async (fixture: NvaFixture, from: number, to: number) => {
      await fixture.http.delete(`/v1/nves/nve${from}/tenant-systems/ts1`).expect(200);
      await attach(fixture, 1, to);
    },
    'add and detach': async (fixture: NvaFixture, from: number, to: number) => {
      await fixture.http
        .put(`/v1/nves/nve${to}/tenant-systems/ts1`)
        .send(tsBody(1, { placement: 'add' }))
        .expect(200);
      await fixture.http.delete(`/v1/nves/nve${from}/tenant-systems/ts1`).expect(200);
    },
  };

  it.each(Object.entries(ways))(
    'count in the mobility of the mapping, and raise the alarm at the sixth within 180 s: %s (X9, RFC 7432 section 7.7)',
    async (_, change) => {
      const clock = new ManualClock();
      const fixture = await start({ clock });
      await attach(fixture, 1, 1);
      for (let moves = 1; moves <= 6; moves++) {
        clock.advance(1_000);
        expect(await metric(fixture, 'nva_move_alarms_total')).toBe(0);
        await change(fixture, 1 + ((moves + 1) % 2), 1 + (moves % 2));
        expect((await fixture.http.get('/v1/vns/1/mappings').expect(200)).body.items).toMatchObject([
          { tsId: 'ts1', mobility: moves, attachments: [{ nveId: `nve${1 + (moves % 2)}` }] },
        ]);
      }
      expect(await metric(fixture, 'nva_move_alarms_total')).toBe(1);
      expect((await fixture.http.get('/v1/tenant-systems/ts1').expect(200)).body).toMatchObject({ mobility: 6, moveAlarm: true });
      // Coming and going beside its place is no move, and no alarm of its own.
      await fixture.http
        .put('/v1/nves/nve3/tenant-systems/ts1')
        .send(tsBody(1, { placement: 'add' }))
        .expect(200);
      await fixture.http.delete('/v1/nves/nve3/tenant-systems/ts1').expect(200);
      expect(await metric(fixture, 'nva_move_alarms_total')).toBe(1);
    },
  );
});

describe('bounds', () => {
  it('on the rate are answered with 429 as a problem, per caller', async () => {
    const { http, head } = await start({ env: { RATE_LIMIT_PER_S: '8' } });
    const before = await head();
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => http.put('/v1/vns/1').send({ tenantId: 'red', name: 'VN1', service: 'l3', encapsulation: 'vxlan' })),
    );
    const limited = answers.filter(({ status }) => status === 429);
    expect(limited.length).toBeGreaterThan(0);
    expect(answers.every(({ status }) => status === 429 || status === 200)).toBe(true);
    for (const { headers, body } of limited) {
      expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
      expect(headers['retry-after']).toBe('1');
      expect(body).toMatchObject({ status: 429, code: 'rate-limited', correlationId: headers['x-correlation-id'] });
    }
    expect(await head()).toBe(before);
  });
});

describe('a stop', () => {
  it('is not held up by a connection that was opened and never used', async () => {
    const fixture = await start();
    const socket = connect(Number(new URL(fixture.url).port), '127.0.0.1');
    await once(socket, 'connect');
    await fixture.http.get('/healthz').expect(200);
    const from = performance.now();
    await Promise.all([once(socket, 'close'), fixture.restart()]);
    expect(performance.now() - from).toBeLessThan(9_000);
  });
});

describe('what there is not', () => {
  it('is answered with 404 as a problem: paths, methods, and what later versions bring', async () => {
    const { http } = await start();
    for (const [method, path] of [
      ['get', '/'],
      ['get', '/v1/nothing'],
      ['patch', '/v1/vns/1'],
      ['post', '/v1/vns/1'],
      ['delete', '/v1/events'],
      ['options', '/v1/vns/1'],
      ['get', '/v1/tlog/nothing'],
    ] as const) {
      const response = await http[method](path);
      expect(response.status, `${method} ${path}`).toBe(404);
      expect(response.headers['content-type']).toMatch('application/problem+json');
      expect(response.body).toMatchObject({ code: 'not-found', status: 404 });
    }
  });

  it('a HEAD is answered as its GET, without a body', async () => {
    const { http } = await start();
    const [head, get] = [await http.head('/v1/vns/1').expect(200), await http.get('/v1/vns/1').expect(200)];
    expect(head.text ?? '').toBe('');
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
    await http.head('/v1/vns/77').expect(404);
  });
});
