import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nveBody, startNva, until, type NvaFixture } from './support.ts';

const LEASE_S = 3;
/** Below a second, so that no single one is a pause of its own. */
const BUSY_MS = 900;
const BUSY_TURNS = 14;
const IN_THE_END_MS = 60_000;

let nva: NvaFixture;
let nve: ChildProcess;

beforeEach(async () => {
  nva = await startNva();
  for (const [name, n] of [
    ['punctual', 1],
    ['silent', 2],
  ] as const)
    await nva.http
      .put(`/v1/nves/${name}`)
      .send(nveBody(n, { leaseS: LEASE_S }))
      .expect(200);
  nve = fork(join(import.meta.dirname, 'punctual-nve.ts'), [nva.url, 'punctual'], { execArgv: [] });
  await once(nve, 'message');
});

afterEach(async () => {
  nve.kill('SIGKILL');
  await nva.stop();
});

const types = async (name: string): Promise<string[]> =>
  (await nva.http.get(`/v1/events?entity=nve-${name}`).expect(200)).body.items.map(({ type }: { type: string }) => type);

/** Turns of the event loop that take their time, as with much to encode or to sort. */
async function busy(): Promise<void> {
  for (let turn = 0; turn < BUSY_TURNS; turn++) {
    const endMs = performance.now() + BUSY_MS;
    while (performance.now() < endMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

it(
  'a lease never lapses because the NVA was busy for seconds while heartbeats waited in its sockets; that of a silent NVE does in the end (X6)',
  { timeout: 120_000 },
  async () => {
    await busy();
    await until(async () => (await types('silent')).length > 1, IN_THE_END_MS);
    expect(await types('silent')).toEqual(['NveConnected', 'NveLeaseLapsed']);
    const lapsed = (await types('punctual')).length > 1;
    nve.send('how punctual');
    const [longestGapMs] = (await once(nve, 'message')) as [number];
    // What the machine kept from sending in time was not punctual.
    expect(lapsed && longestGapMs < LEASE_S * 1_000).toBe(false);
  },
);
