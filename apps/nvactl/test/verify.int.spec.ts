import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArchiveWriter, createEventCodec, readArchive, type ArchivedEvent } from '@nva/codec';
import { generateSigner, parseKnownKeys } from '@nva/transparency';
import { populate, startNva, tsBody, until, type NvaFixture } from '../../service/test/support.ts';
import { runHere, type Ran } from './cli.ts';

let nva: NvaFixture;
let folder: string;
/** The export, the proof that was fetched with it, and an older one. */
let file: string;
let proof: string;
let older: string;
let head: number;

const at = (name: string): string => join(folder, name);
async function ask(...args: readonly string[]): Promise<Ran> {
  const { code, io } = await runHere(args, { env: { NVACTL_SERVER: nva.url } });
  return { code, out: io.out(), err: io.err() };
}
/** Without an NVA that could be asked. */
async function offline(...args: readonly string[]): Promise<Ran> {
  const { code, io } = await runHere(args, { env: { NVACTL_SERVER: 'http://127.0.0.1:1' } });
  return { code, out: io.out(), err: io.err() };
}
const verify = (...args: readonly string[]): Promise<Ran> => offline('verify', file, '--proof', proof, ...args);

async function signed(): Promise<number> {
  const position = await nva.head();
  await until(async () => (await nva.http.get('/v1/tlog/checkpoint')).text?.includes(`\nnva position ${position}\n`) ?? false);
  return position;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nvactl-verify-'));
  [file, proof, older] = [at('log.avro'), at('proof'), at('older')];
  nva = await startNva({ env: { PROOF_EVERY_MS: '50' } });
  await populate(nva.http);
  for (let n = 1; n <= 150; n++)
    await nva.http
      .put(`/v1/nves/nve${1 + (n % 3)}/tenant-systems/ts${n}`)
      .send(tsBody(n))
      .expect(200);
  await signed();
  expect((await ask('proof', 'get', older)).code).toBe(0);
  for (let n = 1; n <= 120; n++) await nva.http.delete(`/v1/tenant-systems/ts${n}`).expect(200);
  head = await nva.head();
  expect((await ask('proof', 'get', proof, '--tiles', '--covers', String(head))).code).toBe(0);
  expect((await ask('export', file)).code).toBe(0);
});
afterAll(async () => {
  await nva.stop();
  rmSync(folder, { recursive: true });
});

/** The export with other events in it, as whoever made it up would write it. */
async function forged(name: string, change: (events: ArchivedEvent[]) => readonly ArchivedEvent[]): Promise<string> {
  async function* whole() {
    yield readFileSync(file);
  }
  const { header, events } = await readArchive(whole());
  const all: ArchivedEvent[] = [];
  for await (const batch of events) all.push(...batch);
  const changed = change(all);
  const writer = new ArchiveWriter(createEventCodec(), { ...header, to: changed.at(-1)!.position });
  writeFileSync(at(name), Buffer.concat([writer.header(), writer.block(changed)]));
  return at(name);
}

const without = (events: readonly ArchivedEvent[], index: number): ArchivedEvent[] => events.filter((_, i) => i !== index);
/** Another MAC in the same event: as long as it was. */
function withOtherBytes({ bytes, ...event }: ArchivedEvent): ArchivedEvent {
  const other = Buffer.from(bytes);
  const where = other.lastIndexOf('red');
  other.write('ted', where);
  return { ...event, bytes: other };
}

describe('nvactl proof', () => {
  it('get saves checkpoint, keys and tables, with private modes, and replaces nothing', async () => {
    for (const name of ['checkpoint', 'keys', 'tables', 'tile/0/000', `tile/0/001.p/${head - 256}`])
      expect(statSync(join(proof, name)).mode & 0o777, name).toBe(0o600);
    expect(readFileSync(join(proof, 'tables'), 'utf8')).toMatch(/^vn\/1 [0-9a-f]{16}\nvn\/2 [0-9a-f]{16}\nvn\/9 /);
    expect(parseKnownKeys(readFileSync(join(proof, 'keys'), 'utf8')).current.length).toBe(1);
    const again = await ask('proof', 'get', proof);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining('is there already')]);
    const gone = await offline('proof', 'get', at('never'));
    expect([gone.code, existsSync(at('never'))]).toEqual([3, false]);
  });

  it('get keeps nothing of a server that says what cannot be', async () => {
    const real = await Promise.all(['tables', 'keys'].map(async (name) => (await nva.http.get(`/v1/tlog/${name}`)).body));
    const [tables, keys] = real as [{ items: object[] }, object];
    for (const [first, second] of [
      [{}, keys],
      [{ ...tables, items: 'none' }, keys],
      [{ ...tables, items: tables.items.slice(1) }, keys],
      [{ ...tables, checkpoint: 'x' }, keys],
      [tables, {}],
      [tables, { ...keys, current: [String(generateSigner('nva.example').verifier)] }],
      [tables, keys],
    ]) {
      const server = createServer((request, response) => {
        const path = request.url!;
        if (path.endsWith('/tables')) response.end(JSON.stringify(first));
        else if (path.endsWith('/keys')) response.end(JSON.stringify(second));
        else response.end(Buffer.alloc(100_000));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const { code, io } = await runHere(['proof', 'get', at('hostile'), '--tiles'], {
        env: { NVACTL_SERVER: `http://127.0.0.1:${port}` },
      });
      server.close();
      expect([code, io.err()], JSON.stringify([first, second])).toEqual([3, expect.stringContaining('does not answer as an NVA')]);
      expect([existsSync(at('hostile')), existsSync(at('hostile.part'))]).toEqual([false, false]);
    }
  });

  it('key makes a private key, and overwrites none', async () => {
    const key = at('nva.key');
    const { code, out } = await offline('proof', 'key', key, '--name', 'nva.example/log', '-o', 'name');
    expect([code, out]).toEqual([0, expect.stringMatching(/^nva\.example\/log\+[0-9a-f]{8}\+\S+\n$/)]);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(readFileSync(key, 'utf8')).toMatch(/^PRIVATE\+KEY\+nva\.example\/log/);
    expect((await offline('proof', 'key', key, '--name', 'nva.example/log')).code).toBe(2);
    expect((await offline('proof', 'key', at('other.key'), '--name', 'two words')).code).toBe(2);
  });
});

describe('nvactl verify', () => {
  it('proves offline that the export is what was signed, that it continues an older checkpoint, an event and a table (X17)', async () => {
    const { digest } = (await nva.http.get('/v1/vns/1').expect(200)).body;
    const ran = await verify('--event', '7', '--continues', join(older, 'checkpoint'), '--vn', '1', '--digest', digest);
    expect([ran.code, ran.err]).toEqual([0, '']);
    expect(ran.out.split('\n')).toEqual([
      `${file} is what the log signed: ${head} events up to position ${head} of log ${nva.server.core.store.logId}`,
      'it continues the checkpoint of 156 events (position 156)',
      expect.stringMatching(/^event 7 is in it: TenantSystemAttached by operator:local at \S+Z \(ts-ts1\)$/),
      'the tables of 3 VNs that were signed are what the log makes',
      `the table of vn/1 is what the log says (digest ${digest})`,
      '',
    ]);
    const json = JSON.parse((await verify('--event', '7', '-o', 'json')).out);
    expect(json).toMatchObject({ holds: true, size: head, position: String(head), unsigned: 0, proven: [{ position: '7', index: 6 }] });
    expect((await verify('-o', 'name')).out).toBe(`${head}\n`);
  });

  it('proves an older checkpoint by a longer export, and says how much nobody has signed', async () => {
    const { code, out } = await offline('verify', file, '--proof', older);
    expect([code, out]).toEqual([0, expect.stringContaining('120 more events came after that checkpoint')]);
    const late = await offline('verify', file, '--proof', older, '--event', '200');
    expect([late.code, late.err]).toEqual([1, expect.stringContaining('comes after the checkpoint, which ends at 156')]);
  });

  it('proves a table from the records that somebody holds', async () => {
    const changes = at('changes.ndjson');
    expect((await offline('replay', file, '--out', changes)).code).toBe(0);
    expect((await verify('--vn', '1', '--table', changes)).out).toContain('the table of vn/1 is what the log says');
    const lines = readFileSync(changes, 'utf8').split('\n');
    const wrong = at('wrong.ndjson');
    writeFileSync(wrong, lines.map((line) => line.replace('"10.0.0.130"', '"10.0.0.131"')).join('\n'));
    const ran = await verify('--vn', '1', '--table', wrong);
    expect([ran.code, ran.out]).toEqual([5, expect.stringContaining('mapping/ts130/10.0.0.130 is another value')]);
    writeFileSync(wrong, lines.filter((line) => !line.includes('ts140')).join('\n'));
    expect((await verify('--vn', '1', '--table', wrong)).out).toContain('mapping/ts140/10.0.0.140 is missing');
    writeFileSync(wrong, 'none');
    expect((await verify('--vn', '1', '--table', wrong)).code).toBe(2);
    const other = await verify('--vn', '1', '--digest', '0123456789abcdef', '-o', 'json');
    expect([other.code, JSON.parse(other.out)]).toEqual([
      5,
      expect.objectContaining({ holds: false, table: expect.objectContaining({ holds: false }) }),
    ]);
    expect((await verify('--vn', '77', '--digest', '0000000000000000')).out).toContain('there is no VN 77');
  });

  const FORGERIES: readonly (readonly [
    what: string,
    change: (events: ArchivedEvent[]) => readonly ArchivedEvent[],
    fault: string,
    position: number,
  ])[] = [
    ['changed', (events) => events.map((event, i) => (i === 60 ? withOtherBytes(event) : event)), 'changed', 61],
    ['removed', (events) => without(events, 60), 'removed', 62],
    [
      'swapped',
      (events) => events.map((event, i) => (i === 60 || i === 61 ? { ...events[121 - i]!, position: event.position } : event)),
      'changed',
      61,
    ],
    ['cut off at the end, with a header that says so', (events) => events.slice(0, 200), 'cut', 200],
  ];

  it.each(FORGERIES)(
    'names by position an event that was %s, by hashes in a folder or of the NVA (X17)',
    async (what, change, fault, position) => {
      const forgery = await forged(`${fault}-${position}.avro`, change);
      for (const tlog of [proof, `${nva.url}/v1/tlog`]) {
        const ran = await ask('verify', forgery, '--proof', proof, '--tlog', tlog, '-o', 'json');
        expect([ran.code, JSON.parse(ran.out)], what).toEqual([
          5,
          expect.objectContaining({ holds: false, fault, position: String(position), evidence: 'signed' }),
        ]);
      }
      const blind = await offline('verify', forgery, '--proof', proof, '--continues', join(older, 'checkpoint'));
      expect([blind.code, blind.out]).toEqual([5, expect.stringContaining('is not the log that was signed')]);
    },
  );

  it('refuses an export cut in the middle, and one that is not there', async () => {
    const bytes = readFileSync(file);
    writeFileSync(at('cut.avro'), bytes.subarray(0, bytes.length / 2));
    const cut = await offline('verify', at('cut.avro'), '--proof', proof);
    expect([cut.code, cut.err]).toEqual([1, expect.stringContaining('is not whole')]);
    expect((await offline('verify', at('nothing.avro'), '--proof', proof)).code).toBe(2);
  });

  it('refuses a wrong key, a checkpoint that is none or of another log, and too few cosignatures', async () => {
    const { origin } = (await nva.http.get('/v1/tlog/keys').expect(200)).body;
    writeFileSync(at('wrong-keys'), `current ${generateSigner(origin).verifier}\n`);
    const key = await verify('--keys', at('wrong-keys'));
    expect([key.code, key.err]).toEqual([1, expect.stringContaining('is not signed by a key that is known')]);
    writeFileSync(at('no-keys'), 'current nobody\n');
    expect(await verify('--keys', at('no-keys'))).toMatchObject({ code: 2, err: expect.stringContaining('line 1') });
    cpSync(proof, at('changed'), { recursive: true });
    writeFileSync(at('changed/checkpoint'), readFileSync(join(proof, 'checkpoint'), 'utf8').replace(`\n${head}\n`, `\n${head - 1}\n`));
    expect(await offline('verify', file, '--proof', at('changed'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('is not of this text'),
    });
    writeFileSync(at('changed/checkpoint'), 'nothing');
    expect((await offline('verify', file, '--proof', at('changed'))).err).toContain('is no checkpoint');
    const other = await startNva({ env: { PROOF_EVERY_MS: '50' } });
    try {
      await populate(other.http);
      await until(async () => (await other.http.get('/v1/tlog/tables')).status === 200);
      const { code, io } = await runHere(['proof', 'get', at('other')], { env: { NVACTL_SERVER: other.url } });
      expect([code, io.err()]).toEqual([0, '']);
    } finally {
      await other.stop();
    }
    const log = await offline('verify', file, '--proof', at('other'));
    expect([log.code, log.err]).toEqual([1, expect.stringMatching(/the checkpoint is of log \S+, and .* is of log/)]);
    const mixed = await verify('--continues', at('other/checkpoint'));
    expect([mixed.code, mixed.err]).toEqual([1, expect.stringContaining('is not signed by a key that is known')]);
    expect(await verify('--cosigners', '1')).toMatchObject({ code: 1, err: expect.stringContaining('0 cosignatures') });
  });

  it.each([
    [['--vn', '1'], 2, '--vn needs one of'],
    [['--digest', '0123456789abcdef'], 2, '--digest and --table are of a VN'],
    [['--vn', '1', '--digest', 'x'], 2, '16 hex digits'],
    [['--event', '99999'], 4, 'no event of the log has position 99999'],
    [['--event', 'x'], 2, 'no whole number'],
    [['--continues', '/nonexistent'], 2, 'cannot be read'],
    [['--tlog', '/nonexistent'], 2, 'cannot be read'],
  ])('ends with a code for %j', async (args, code, why) => {
    const ran = await verify(...args);
    expect([ran.code, ran.err]).toEqual([code, expect.stringContaining(why)]);
  });

  it('says what is missing where nothing was signed', async () => {
    const ran = await offline('verify', file);
    expect([ran.code, ran.err]).toEqual([2, expect.stringContaining('--proof')]);
  });
});
