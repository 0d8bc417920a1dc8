import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { command } from '@nva/domain/testing';
import { systemClock, type EventStore } from '@nva/ports';
import { answer, startNode, type Node } from '../../../libs/registrar/test/harness.ts';
import { macOf, populate, startNva, tsBody, type NvaFixture } from './support.ts';

let nva: NvaFixture;
/** Another process's registrar, as it would be on a shared log. */
let other: Node;

beforeEach(async () => {
  nva = await startNva();
  await populate(nva.http);
  other = await startNode(nva.server.core.store, systemClock);
});

afterEach(async () => {
  await other.stop();
  await nva.stop();
});

/** Lets `first` write once between the server's next decision and its append, where only a race can. */
function overtakeNextAppend(first: () => Promise<unknown>): void {
  const store: EventStore = nva.server.core.store;
  const append = store.append;
  store.append = async (appends) => {
    store.append = append;
    await first();
    return append.call(store, appends);
  };
}

const attachElsewhere =
  (n: number, fields: object = {}) =>
  async () =>
    answer(
      (
        await other.submit(
          command('attach', {
            nveId: 'nve2',
            tsId: `ts${n}`,
            ...(tsBody(n) as { tenantId: string; vmId: string; mac: string }),
            ...fields,
          }),
        )
      )[0],
    );
const attach = (n: number, fields: object = {}) => nva.http.put(`/v1/nves/nve1/tenant-systems/ts${n}`).send(tsBody(n, fields));
const LATER = { bindings: [{ vnid: 1, ip: '10.0.0.1' }] };
const LOST = { effective: false, conflicts: [{ vnid: 1, address: '10.0.0.1', heldBy: 'ts1' }], memberships: [1] };

describe('a write that lost a race for an address', () => {
  beforeEach(async () => {
    overtakeNextAppend(attachElsewhere(1));
    expect((await attach(2, LATER).expect(202)).body).toEqual({ position: '8', revision: 0, ...LOST });
  });

  it('is answered with 202 and the conflict, and again when it is repeated (X2)', async () => {
    expect((await attach(2, LATER).expect(202)).body).toEqual({ position: '8', revision: 0, ...LOST });
    expect(await nva.head()).toBe(8);
  });

  it('is shown as conflicted, and never distributed (X2)', async () => {
    expect((await nva.http.get('/v1/vns/1/mappings').expect(200)).body).toMatchObject({ items: [{ tsId: 'ts1' }] });
    const { body } = await nva.http.get('/v1/vns/1/mappings?conflicted=true').expect(200);
    expect(body).toEqual({
      items: [
        {
          tsId: 'ts2',
          bid: null,
          mac: macOf(2),
          ip: '10.0.0.1',
          vlan: null,
          attachments: [{ nveId: 'nve1', state: 'activated' }],
          conflicts: LOST.conflicts,
        },
      ],
    });
    expect((await nva.http.get('/v1/tenant-systems/ts2').expect(200)).body).toMatchObject(LOST);
    expect((await nva.http.get('/v1/vns/1/members').expect(200)).body.items).toMatchObject([{ nveId: 'nve1' }, { nveId: 'nve2' }]);
  });

  it('takes over when the first is released (X2)', async () => {
    await nva.http.delete('/v1/tenant-systems/ts1').expect(200);
    expect((await nva.http.get('/v1/vns/1/mappings').expect(200)).body).toMatchObject({ items: [{ tsId: 'ts2', ip: '10.0.0.1' }] });
    expect((await attach(2, LATER).expect(200)).body).toMatchObject({ effective: true, conflicts: [] });
  });

  it('keeps its answer under an Idempotency-Key, even when it has come into effect since', async () => {
    const keyed = () => attach(3, { bindings: [{ vnid: 1, ip: '10.0.0.4' }] }).set('idempotency-key', 'k');
    overtakeNextAppend(attachElsewhere(4));
    const first = await keyed().expect(202);
    await nva.http.delete('/v1/tenant-systems/ts4').expect(200);
    expect((await keyed().expect(202)).body).toEqual(first.body);
    await nva.restart();
    expect((await keyed().expect(202)).body).toEqual(first.body);
  });
});

describe('other races', () => {
  it('of an attach with the deletion of its VN: 202, in no VN, until it is registered again', async () => {
    overtakeNextAppend(async () => answer((await other.submit(command('deleteVn', { vnid: 1 })))[0]));
    expect((await attach(1).expect(202)).body).toEqual({ position: '8', revision: 0, effective: false, conflicts: [], memberships: [] });
    expect((await nva.http.get('/v1/tenant-systems/ts1').expect(200)).body).toMatchObject({ orphaned: [1], memberships: [] });
    expect((await attach(1).expect(404)).body).toMatchObject({ code: 'vn-unknown' });
  });

  it('of two writers of one TS: decided again on what the first wrote (R55, X9)', async () => {
    await attach(1).expect(200);
    await other.replica.passed(7);
    overtakeNextAppend(attachElsewhere(1));
    expect((await nva.http.delete('/v1/nves/nve1/tenant-systems/ts1').expect(409)).body).toMatchObject({
      code: 'ts-not-at-nve',
      actual: ['nve2'],
    });
    expect((await nva.http.get('/metrics').expect(200)).text).toMatch(/^nva_stream_conflicts_total 1$/m);
  });

  it('on NDJSON: the line has status 202, its neighbours are none the worse', async () => {
    overtakeNextAppend(attachElsewhere(1));
    const lines = [5, 2, 6].map((n) => ({ command: 'attach', nveId: 'nve1', tsId: `ts${n}`, ...tsBody(n), ...(n === 2 ? LATER : {}) }));
    const response = await nva.http
      .post('/v1/commands')
      .set('content-type', 'application/x-ndjson')
      .send(lines.map((line) => JSON.stringify(line)).join('\n'))
      .buffer(true)
      .parse((res, done) => {
        let text = '';
        res.on('data', (data: Buffer) => (text += data.toString()));
        res.on('end', () => done(null, text));
      });
    const results = String(response.body)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(results).toMatchObject([
      { status: 200, effective: true },
      { status: 202, ...LOST },
      { status: 200, effective: true },
    ]);
  });
});
