import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CommandLine } from '@nva/codec';
import { NveClient, SseTransport, type WholeSetOutcome } from '@nva/nve';
import { populate, startNva, tsBody, until, type NvaFixture } from './support.ts';

const NVES = [1, 2, 3];

let nva: NvaFixture;
let transport: SseTransport;
let clients: NveClient[];

beforeEach(async () => {
  nva = await startNva();
  await populate(nva.http);
  transport = new SseTransport({ baseUrl: nva.url });
  clients = NVES.map((n) => new NveClient({ nveId: `nve${n}`, transport }));
  for (const client of clients) client.start();
});

afterEach(async () => {
  for (const client of clients) await client.close();
  await transport.close();
  await nva.stop();
});

const attach = (n: number, nve: number, fields: object = {}) =>
  nva.http.put(`/v1/nves/nve${nve}/tenant-systems/ts${n}`).send(tsBody(n, fields)).expect(200);

/** Every NVE is in the VNs that the NVA counts it in, and has come as far as it in each. */
function converged(): boolean {
  const { network, digests } = nva.server.core.replica;
  return clients.every((client) => {
    const expected = [...network.nves.get(client.nveId)!.memberships.keys()].toSorted((a, b) => a - b);
    const applied = client.applied();
    return (
      applied.map(({ vnid }) => vnid).join() === expected.join() &&
      applied.every(({ vnid, position }) => Number(position) >= digests.current(`vn/${vnid}`).position)
    );
  });
}

/** Lets every NVE report, and tells what the NVA makes of it. */
async function verdicts(): Promise<Record<string, string[]>> {
  await until(converged);
  const told: Record<string, string[]> = {};
  for (const client of clients) {
    await nva.http.post(`/v1/nves/${client.nveId}/heartbeat`).send({ incarnation: 1, applied: client.applied() }).expect(200);
    const { body } = await nva.http.get(`/v1/nves/${client.nveId}`).expect(200);
    told[client.nveId] = body.memberships.map(
      ({ vnid, applied }: { vnid: number; applied: { verdict: string } | null }) => `VN${vnid} ${applied?.verdict ?? 'nothing'}`,
    );
  }
  return told;
}

describe('NVEs that follow the server', () => {
  it('tell it after a restart what they have left, and the NVA lets go of the rest', async () => {
    for (const n of [1, 2, 3]) await attach(n, 1);
    await attach(2, 2, { placement: 'add' });
    await until(converged);
    const client = clients[0]!;
    client.attachLocal({
      tsId: 'ts3',
      tenantId: 'red',
      mac: '02:00:00:00:00:03',
      state: 'activated',
      bindings: [{ vnid: 1, vlan: null, ip: '10.0.0.3' }],
    });
    expect(client.disagreements().map(({ tsId, kind }) => `${tsId} ${kind}`)).toEqual(['ts1 not-hosted', 'ts2 not-hosted']);
    const send = async ({ command: _command, nveId, ...fields }: CommandLine): Promise<WholeSetOutcome> => {
      const { status, body } = await nva.http.put(`/v1/nves/${String(nveId)}/tenant-systems`).send(fields);
      return { ...body, status };
    };
    await expect(client.keepOnlyHosted(0, send)).rejects.toMatchObject({ name: 'WholeSetRefused', code: 'nve-incarnation' });
    expect(await client.keepOnlyHosted(1, send)).toBe(2);
    await until(() => client.disagreements().length === 0);
    expect(
      (await nva.http.get('/v1/tenant-systems').expect(200)).body.items.map(
        ({ tsId, attachments }: { tsId: string; attachments: { nveId: string }[] }) =>
          `${tsId} ${attachments.map(({ nveId }) => nveId).join()}`,
      ),
    ).toEqual(['ts2 nve2', 'ts3 nve1']);
  });

  it('hold its tables after attaches, moves and detaches: every digest is the same (X8, R36, R46, R54)', async () => {
    for (let n = 1; n <= 12; n++) await attach(n, 1 + (n % 2));
    await attach(20, 3, { bindings: [{ vnid: 2, vlan: 20 }] });
    expect(await verdicts()).toEqual({ nve1: ['VN1 same'], nve2: ['VN1 same'], nve3: ['VN2 same'] });
    expect(clients[0]!.resolve(1, { ip: '10.0.0.1' })).toMatchObject({ outcome: 'remote' });
    expect(clients[0]!.resolve(1, { ip: '10.0.0.2' })).toMatchObject({ outcome: 'local' });
    expect(clients[2]!.table(1)).toBeNull();

    // Case 2 of section 7.1 for nve3 (R46), moves (R55), an address more by BIDs (R19), a MAC change (R14).
    await attach(1, 3);
    await attach(2, 2);
    await nva.http
      .post('/v1/tenant-systems/ts3/bindings')
      .send({
        bindings: [
          { bid: 1, vnid: 1, ip: '10.0.0.3' },
          { bid: 2, vnid: 2, vlan: 3 },
        ],
      })
      .expect(200);
    await nva.http.put('/v1/tenant-systems/ts4/mac').send({ mac: '02:00:00:00:00:f4' }).expect(200);
    expect(await verdicts()).toEqual({ nve1: ['VN1 same'], nve2: ['VN1 same', 'VN2 same'], nve3: ['VN1 same', 'VN2 same'] });
    expect([...clients[2]!.table(1)!.mappings()]).toHaveLength(12);

    // Everything leaves nve1, which so leaves the VN (R49); one NVE goes away and its mappings stay (R56, X6).
    for (let n = 4; n <= 12; n += 2) await nva.http.delete(`/v1/nves/nve1/tenant-systems/ts${n}`).expect(200);
    await nva.http.delete('/v1/nves/nve2').expect(200);
    await nva.http
      .put('/v1/nves/nve2')
      .send({ siteId: 'site-2', mac: '02:00:00:00:ff:02', addresses: ['198.51.100.2'], incarnation: 1 })
      .expect(200);
    expect(await verdicts()).toEqual({ nve1: [], nve2: ['VN1 same', 'VN2 same'], nve3: ['VN1 same', 'VN2 same'] });
    expect((await nva.http.get('/metrics')).text).toMatch(/^nva_digest_mismatches_total 0$/m);
  });

  it('keep their tables while the server is away, and are the same again after (X6)', async () => {
    for (let n = 1; n <= 4; n++) await attach(n, 1 + (n % 2));
    await until(converged);
    const lost: string[] = [];
    clients[0]!.on('change', ({ changes }) => lost.push(...changes.filter(({ after }) => after === null).map(({ key }) => key)));
    const interrupted = new Promise((resolve) => clients[0]!.on('interrupted', resolve));
    const resumed = new Promise((resolve) => clients[0]!.on('resumed', ({ feed }) => feed.kind === 'vn' && resolve(feed)));
    await nva.restart();
    await interrupted;
    expect([...clients[0]!.table(1)!.mappings()]).toHaveLength(4);
    await resumed;
    await attach(5, 2);
    expect(await verdicts()).toEqual({ nve1: ['VN1 same'], nve2: ['VN1 same'], nve3: [] });
    expect(lost).toEqual([]);
    expect([...clients[0]!.table(1)!.mappings()]).toHaveLength(5);
  });
});
