import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { SqliteEventStore } from '@nva/event-log';
import { silentLogger, systemClock } from '@nva/ports';
import supertest from 'supertest';
import { expect, it } from 'vitest';
import { createService, readConfig, ROLES } from '../src/index.ts';
import { temporaryDirectory, until, vnBody } from './support.ts';

it('a log with names that would be refused today opens, is folded and answers; what is new is checked (X6)', async () => {
  const directory = await temporaryDirectory();
  const name = 'red\u2028 \u202eblue\u200b';
  await mkdir(directory.path, { recursive: true });
  const store = await SqliteEventStore.open({ directory: join(directory.path, 'log'), codec: createEventCodec(), clock: systemClock });
  const audit = {
    recordedAt: systemClock.wallMs(),
    actor: 'operator:local',
    correlationId: 'old',
    idempotencyKey: null,
    requestDigest: null,
  };
  const event = {
    type: 'VnCreated',
    data: {
      audit,
      vnid: 7,
      tenantId: 'red',
      name,
      service: 'l3',
      encapsulation: 'vxlan',
      policies: { access: { ['no\u0085te']: '\u2066' }, tunnel: {} },
    },
  } as const;
  await store.append([{ stream: 'vn-7', expectedRevision: -1, events: [{ id: randomUUID(), event }] }]);
  await store.close();

  const server = await createService(readConfig({ PORT: '0', DATA_DIR: directory.path }), ROLES, {
    logger: silentLogger,
    failed: (cause) => expect.unreachable(String(cause)),
  });
  try {
    await until(() => server.core.ready);
    const http = supertest(server.url);
    const { body } = await http.get('/v1/vns/7').expect(200);
    expect(body).toMatchObject({ vnid: 7, name });
    expect((await http.put('/v1/vns/7').send(vnBody({ name }))).body).toMatchObject({ status: 400, code: 'text-control' });
    await http
      .put('/v1/vns/7')
      .send(vnBody({ name: 'red and blue' }))
      .expect(200);
  } finally {
    await server.close();
    await directory.remove();
  }
});
