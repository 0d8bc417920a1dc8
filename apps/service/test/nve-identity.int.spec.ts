import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../libs/registrar/test/harness.ts';
import { nveBody, startNva, type NvaFixture } from './support.ts';

const TOKENS = { operator: 'operator-token', nve2: 'nve2-token' };
const entry = (token: string): { sha256: string } => ({ sha256: createHash('sha256').update(token).digest('hex') });

let directory: string;
let nva: NvaFixture;
let clock: ManualClock;
let warnings: [message: string, fields: object | undefined][];

const start = async (env: Record<string, string> = {}): Promise<void> => {
  const ignore = (): void => undefined;
  const logger: Logger = { debug: ignore, info: ignore, error: ignore, warn: (message, fields) => void warnings.push([message, fields]) };
  const file = join(directory, 'tokens.json');
  await writeFile(
    file,
    JSON.stringify({
      operators: [{ name: 'alice', ...entry(TOKENS.operator) }],
      nves: [{ nveId: 'nve2', tenants: ['red'], ...entry(TOKENS.nve2) }],
    }),
  );
  nva = await startNva({ clock, logger, env: { TOKENS_FILE: file, ...env } });
};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-identity-'));
  clock = new ManualClock();
  warnings = [];
});
afterEach(async () => {
  await nva.stop();
  await rm(directory, { recursive: true });
});

const connect = (who: keyof typeof TOKENS, n: number, fields: object = {}) =>
  nva.http.put(`/v1/nves/nve${n}`).set('authorization', `Bearer ${TOKENS[who]}`).send(nveBody(n, fields));
const heartbeat = (n: number) =>
  nva.http.post(`/v1/nves/nve${n}/heartbeat`).set('authorization', `Bearer ${TOKENS.operator}`).send({ incarnation: 1, applied: [] });
const forget = (n: number) => nva.http.delete(`/v1/nves/nve${n}?forget=true`).set('authorization', `Bearer ${TOKENS.operator}`);
const alarms = async (): Promise<number> =>
  Number(
    /^nva_nve_identity_alarms_total (\d+)$/m.exec(
      (await nva.http.get('/metrics').set('authorization', `Bearer ${TOKENS.operator}`)).text,
    )?.[1],
  );
const identityAlarm = async (n: number): Promise<boolean> =>
  (await nva.http.get(`/v1/nves/nve${n}`).set('authorization', `Bearer ${TOKENS.operator}`).expect(200)).body.identityAlarm;

describe('the underlay address of an NVE', () => {
  beforeEach(() => start());

  it('that a reachable NVE of another id has is 409: the operator is told who has it, the NVE is not, and nothing changes (R2)', async () => {
    await connect('operator', 1).expect(200);
    const before = await nva.head();
    const taken = { addresses: ['2001:db8::2', '198.51.100.1'] };
    const [operator, nve] = [await connect('operator', 2, taken).expect(409), await connect('nve2', 2, taken).expect(409)];
    expect(operator.body).toMatchObject({
      code: 'tunnel-address-held',
      field: 'addresses[1]',
      received: '198.51.100.1',
      actual: { heldBy: 'nve1' },
    });
    expect(nve.body).toMatchObject({ code: 'tunnel-address-held', field: 'addresses[1]', received: '198.51.100.1' });
    expect(nve.text).not.toContain('nve1');
    expect(await nva.head()).toBe(before);
  });

  it('is compared in its canonical form, refused where it is given twice, and where it can be no end of a tunnel', async () => {
    await connect('operator', 1, { addresses: ['2001:db8::1'] }).expect(200);
    expect((await connect('operator', 2, { addresses: ['2001:DB8:0::1'] }).expect(409)).body.code).toBe('tunnel-address-held');
    expect((await connect('operator', 2, { addresses: ['2001:db8::2', '2001:DB8::2'] }).expect(422)).body).toMatchObject({
      code: 'address-duplicate',
      row: 'R2',
      field: 'addresses[1]',
    });
    for (const [address, code] of [
      ['169.254.1.1', 'ip-link-local'],
      ['fe80::1', 'ip-link-local'],
      ['ff02::1', 'ip-multicast'],
      ['127.0.0.1', 'ip-loopback'],
      ['::', 'ip-unspecified'],
    ]) {
      expect((await connect('operator', 2, { addresses: [address] }).expect(422)).body).toMatchObject({ code, field: 'addresses[0]' });
    }
  });

  it('is taken over where an operator forces it, which no NVE may', async () => {
    await connect('operator', 1).expect(200);
    const forced = { addresses: ['198.51.100.1'], force: true };
    expect((await connect('nve2', 2, forced).expect(403)).body).toMatchObject({ code: 'forbidden', field: 'force' });
    await connect('operator', 2, forced).expect(200);
    // Both have it now, and a repeat of what stands is none.
    await connect('operator', 1).expect(200);
  });

  it('that was taken over while its NVE was away keeps that one away, until one of the two gives way', async () => {
    await connect('operator', 1).expect(200);
    await nva.http.delete('/v1/nves/nve1').set('authorization', `Bearer ${TOKENS.operator}`).expect(200);
    await connect('operator', 2, { addresses: ['198.51.100.1'] }).expect(200);
    expect((await connect('operator', 1).expect(409)).body).toMatchObject({ code: 'tunnel-address-held', actual: { heldBy: 'nve2' } });
    await forget(2).expect(200);
    await connect('operator', 1).expect(200);
  });
});

describe('the id of an NVE', () => {
  it('that two hosts use in turn raises an alarm, on the metrics, in the log and where the NVE is shown', async () => {
    await start();
    const hosts = [{}, { mac: '02:00:00:00:ff:77', addresses: ['198.51.100.77'], siteId: 'elsewhere' }];
    await connect('operator', 1).expect(200);
    for (let turn = 1; turn <= 3; turn++) {
      clock.advance(60_000);
      await connect('operator', 1, hosts[turn % 2]).expect(200);
    }
    expect([await alarms(), await identityAlarm(1)]).toEqual([0, false]);
    clock.advance(60_000);
    await connect('operator', 1, hosts[0]).expect(200);
    expect([await alarms(), await identityAlarm(1)]).toEqual([1, true]);
    expect(warnings).toContainEqual([
      expect.stringContaining('do two hosts have its id?'),
      expect.objectContaining({ nveId: 'nve1', incarnation: 1, addresses: ['198.51.100.1'] }),
    ]);
    clock.advance(600_000);
    expect(await identityAlarm(1)).toBe(false);
  });

  it('whose host comes back under a greater incarnation raises none; the rate is configured', async () => {
    await start({ NVE_CHANGES_ALARM: '0', NVE_CHANGES_ALARM_S: '10' });
    for (let incarnation = 1; incarnation <= 3; incarnation++)
      await connect('operator', 1, { incarnation, mac: `02:00:00:00:ff:0${incarnation}` }).expect(200);
    expect(await alarms()).toBe(0);
    await connect('operator', 1, { incarnation: 3, mac: '02:00:00:00:ff:07' }).expect(200);
    expect([await alarms(), await identityAlarm(1)]).toEqual([1, true]);
    await nva.restart();
    // What is old news at a start raises none; it is seen all the same.
    expect([await alarms(), await identityAlarm(1)]).toEqual([0, true]);
  });

  it('that was forgotten is free for whoever comes, at whatever incarnation; a refused incarnation says what to send', async () => {
    await start();
    await connect('operator', 1, { incarnation: 7 }).expect(200);
    const refused = [await connect('operator', 1, { incarnation: 6 }).expect(409), await heartbeat(1).expect(409)];
    for (const { body } of refused)
      expect(body).toMatchObject({ code: 'nve-incarnation', expected: 7, detail: expect.stringContaining('connects with 8') });
    await forget(1).expect(200);
    await nva.http.get('/v1/nves/nve1').set('authorization', `Bearer ${TOKENS.operator}`).expect(404);
    await connect('operator', 1, { incarnation: 1 }).expect(200);
    await heartbeat(1).expect(200);
  });
});
