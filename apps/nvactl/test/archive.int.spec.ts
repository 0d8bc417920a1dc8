import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ArchiveWriter, createEventCodec, readArchive } from '@nva/codec';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KafkaFeedUnderTest } from '../../../libs/kafka/test/kafka-feed.ts';
import { populate, startNva, tsBody, type NvaFixture } from '../../service/test/support.ts';
import { Cli, runHere, type Ran } from './cli.ts';

/** With a broker to start first. */
const TEST_TIMEOUT_MS = 600_000;

let nva: NvaFixture;
let folder: string;
let file: string;
let head: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nvactl-archive-'));
  file = join(folder, 'log.avro');
  nva = await startNva({ env: { SNAPSHOT_EVERY_EVENTS: '5' } });
  await populate(nva.http);
  for (const n of [1, 2, 3, 4])
    await nva.http
      .put(`/v1/nves/nve${1 + (n % 3)}/tenant-systems/ts${n}`)
      .send(tsBody(n))
      .expect(200);
  await nva.http.put('/v1/nves/nve1/tenant-systems/ts1').send(tsBody(1)).expect(200);
  await nva.http.delete('/v1/tenant-systems/ts2').expect(200);
  head = await nva.head();
  expect((await ask('export', file)).code).toBe(0);
});
afterAll(async () => {
  await nva.stop();
  rmSync(folder, { recursive: true });
});

async function at(server: string, args: readonly string[]): Promise<Ran> {
  const { code, io } = await runHere(args, { env: { NVACTL_SERVER: server } });
  return { code, out: io.out(), err: io.err() };
}
const ask = (...args: readonly string[]): Promise<Ran> => at(nva.url, args);
const asJson = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
  const { code, out, err } = await ask(...args, '-o', 'json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as Record<string, unknown>;
};

describe('nvactl export', () => {
  it('saves the whole log in a file of its owner alone, and replaces none', async () => {
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = await ask('export', file);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining('is there already')]);
    const other = join(folder, 'part-of-it.avro');
    expect(await asJson('export', other, '--to', '5')).toMatchObject({ position: '5', events: 5, log: nva.server.core.store.logId });
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it.each([
    [['--to', '0'], 1, 'no event'],
    [['--to', 'soon'], 1, 'to'],
  ])('refused by the NVA for %j leaves nothing', async (args, code, why) => {
    const target = join(folder, 'never.avro');
    const ran = await ask('export', target, ...args);
    expect([ran.code, ran.err]).toEqual([code, expect.stringContaining(why)]);
    expect([existsSync(target), existsSync(`${target}.part`)]).toEqual([false, false]);
  });
});

describe('a disk that is full', () => {
  const MAIN = join(import.meta.dirname, '../src/main.ts');
  /** The command line with files of a few KiB at most, and what it leaves. */
  function onFullDisk(bytes: number, ...args: readonly string[]): Promise<Ran> {
    const command = ['--fsize=' + bytes, process.execPath, '--conditions=source', MAIN, ...args];
    return new Promise((resolve, reject) => {
      const child = spawn('prlimit', command, { env: { PATH: process.env['PATH'], HOME: '/nonexistent', NVACTL_SERVER: nva.url } });
      let [out, err] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, out, err }));
    });
  }

  it('ends an export, an import and a replay with what is wrong, and leaves nothing', async () => {
    const target = join(folder, 'full.avro');
    const exported = await onFullDisk(2_000, 'export', target);
    expect([exported.code, exported.err]).toEqual([2, expect.stringContaining('cannot be written')]);
    expect([existsSync(target), existsSync(`${target}.part`)]).toEqual([false, false]);
    const data = join(folder, 'full');
    const imported = await onFullDisk(20_000, 'import', file, '--data-dir', data);
    expect([imported.code, imported.err]).toEqual([1, expect.stringMatching(/cannot be (?:opened|written)/)]);
    expect(readdirSync(data)).toEqual([]);
    const changes = await onFullDisk(1_000, 'replay', file, '--out', join(folder, 'full.ndjson'));
    expect([changes.code, changes.err]).toEqual([2, expect.stringContaining('cannot be written')]);
  });
});

describe('nvactl import', () => {
  it('makes a data folder that an NVA goes on with', async () => {
    const data = join(folder, 'data');
    expect(await asJson('import', file, '--data-dir', data)).toEqual({ dataDir: data, position: String(head) });
    const again = await ask('import', file, '--data-dir', data);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('replaces none')]);
    const restored = await startNva({ env: { DATA_DIR: data } });
    try {
      expect(restored.server.core.store.logId).toBe(nva.server.core.store.logId);
      expect((await restored.http.get('/v1/vns/1').expect(200)).body).toEqual((await nva.http.get('/v1/vns/1').expect(200)).body);
    } finally {
      await restored.stop();
    }
  });

  it('of a part makes the log up to there', async () => {
    expect(await asJson('import', file, '--data-dir', join(folder, 'up-to'), '--to', '6')).toMatchObject({ position: '6' });
  });

  it.each([
    ['cut in the middle', (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length / 2)), 'is not whole'],
    ['that is none', () => Buffer.from('not an archive at all'), 'is no Avro object container file'],
  ])('refuses a file %s, and leaves no folder', async (_, change, why) => {
    const broken = join(folder, 'broken.avro');
    writeFileSync(broken, change(readFileSync(file)));
    const data = join(folder, 'never');
    const ran = await ask('import', broken, '--data-dir', data);
    expect([ran.code, ran.err]).toEqual([1, expect.stringContaining(why)]);
    expect(existsSync(join(data, 'log'))).toBe(false);
  });

  it('refuses events that no NVA could fold, which only its start would find, and leaves no folder', async () => {
    const { header, events } = await readArchive(Readable.from([readFileSync(file)]));
    const all = (await Array.fromAsync(events)).flat();
    const codec = createEventCodec();
    const { stream, id, bytes } = all.findLast((one) => codec.decode(Buffer.from(one.bytes)).type === 'TenantSystemMoved')!;
    const writer = new ArchiveWriter(codec, { ...header, to: 1 });
    const made = join(folder, 'unfoldable.avro');
    writeFileSync(made, Buffer.concat([writer.header(), writer.block([{ position: 1, stream, revision: 0, id, bytes }])]));
    const data = join(folder, 'never');
    const ran = await ask('import', made, '--data-dir', data);
    expect([ran.code, ran.err]).toEqual([1, expect.stringContaining('the event at position 1, TenantSystemMoved, does not follow')]);
    expect(existsSync(join(data, 'log'))).toBe(false);
  });
});

describe('nvactl what-if', () => {
  it('asks the NVA itself, of scenarios and of steps in a file', async () => {
    const steps = join(folder, 'steps.yaml');
    writeFileSync(steps, '- { command: detach, nveId: nve2, tsId: ts1 }\n- { command: evacuateNve, nveId: nve1 }\n');
    const { code, out, err } = await ask('what-if', '-f', steps, '--site-fails', 'site-2', '--vn-deleted', '1', '--at', String(head));
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/1 +detach +refused \(409\)/);
    expect(out).toMatch(/2 +evacuateNve +effective \(\d done, 0 left\)/);
    expect(out).toMatch(/3 +site-fails +effective +NveDisconnected nve-nve2/);
    expect(out).toMatch(/4 +vn-deleted +effective \(\d done, 0 left\)/);
    // A membership that is only supposed has no beginning, and no topic.
    expect(out).not.toContain('undefined');
    expect((await ask('what-if', '--nve-fails', 'nowhere')).out).toMatch(/refused \(404\)/);
  });
});

describe('nvactl replay', () => {
  it('goes to a position, a time, or what happens', async () => {
    expect(await asJson('replay', file)).toMatchObject({ position: String(head), ending: 'end of the archive', events: head, vns: 3 });
    expect(await asJson('replay', file, '--to', '4')).toMatchObject({ position: '4', ending: 'position', tenantSystems: 0 });
    expect(await asJson('replay', '--until', 'tsId=ts1 type=TenantSystemMoved')).toMatchObject({
      position: String(head - 1),
      ending: 'condition',
    });
    expect(await asJson('replay', file, '--until', 'vnid=1 ip=10.0.0.2 disappears')).toMatchObject({ position: String(head) });
    const { items } = (await nva.http.get('/v1/events?limit=1000').expect(200)).body;
    expect(await asJson('replay', file, '--to', items.at(-1).recordedAt)).toMatchObject({ position: String(head) });
    expect((await ask('replay', file, '--to', '1990-01-01T00:00:00Z')).code).toBe(4);
  });

  it('shows every event, and goes step by step', async () => {
    const { out } = await ask('replay', file, '--show', '--to', '3');
    expect(
      out
        .split('\n')
        .map((line) => line.replace(/\S+Z/, '<time>'))
        .slice(0, 3),
    ).toEqual([
      '1 <time> operator:local VnCreated +vn/1/context',
      '2 <time> operator:local VnCreated +vn/2/context',
      '3 <time> operator:local VnCreated +vn/9/context',
    ]);
    const cli = new Cli(['replay', file, '--step'], { env: {} });
    cli.child.stdin!.write('\n');
    await cli.prints('1 ');
    cli.child.stdin!.write('\n');
    await cli.prints('2 ');
    cli.child.stdin!.write('q\n');
    expect(await cli.ended).toMatchObject({ code: 0, out: expect.stringContaining('2 events up to position 2 (stopped)') });
  });

  it('makes a data folder, or a file of what changed', async () => {
    const data = join(folder, 'replayed');
    await asJson('replay', file, '--into', data, '--until', 'nveId=nve3 type=NveConnected');
    const restored = await startNva({ env: { DATA_DIR: data } });
    expect((await restored.http.get('/v1/nves').expect(200)).body.items).toHaveLength(3);
    await restored.stop();
    const changes = join(folder, 'changes.ndjson');
    await asJson('replay', file, '--out', changes, '--to', '7');
    const lines = readFileSync(changes, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as object);
    expect(lines.at(-1)).toMatchObject({
      position: '7',
      type: 'TenantSystemAttached',
      feed: 'vn/1',
      key: 'mapping/ts1/10.0.0.1',
      value: { tsId: 'ts1' },
    });
    expect((await ask('replay', file, '--out', changes)).code).toBe(2);
  });

  it('verifies the tables of the NVA, and of its snapshots', async () => {
    expect(await asJson('replay', '--verify')).toMatchObject({ differences: [], notReached: 0 });
    const snapshots = join(nva.dataDir, 'snapshots');
    const found = await asJson('replay', '--verify', '--snapshots', snapshots);
    expect(found).toMatchObject({ differences: [], notReached: 0 });
    expect(found['compared']).toBeGreaterThan(6);
    // A log that lacks an event makes other tables than the snapshots have.
    const shorter = join(folder, 'shorter');
    await asJson('import', file, '--data-dir', shorter, '--to', '6');
    const other = await startNva({ env: { DATA_DIR: shorter } });
    for (let n = 50; n < 80; n++) await other.http.put(`/v1/nves/nve2/tenant-systems/ts${n}`).send(tsBody(n)).expect(200);
    // Every snapshot that is kept is of a position that both logs have; the newest differs.
    await nva.http.put('/v1/nves/nve3/tenant-systems/ts60').send(tsBody(60)).expect(200);
    const wrong = await at(other.url, ['replay', '--verify', '--snapshots', snapshots]);
    await other.stop();
    expect([wrong.code, wrong.out]).toEqual([5, expect.stringMatching(/1 +\d+ +the snapshot of position \d+/)]);
  });

  it(
    'publishes on topics, and compares topics with the log',
    async () => {
      const feed = await KafkaFeedUnderTest.make();
      try {
        const topics = ['--topics', feed.prefix, '--brokers', feed.brokers.join(',')];
        await asJson('replay', file, ...topics);
        const records = await feed.raw(`${feed.prefix}.vn.1`);
        const live = new Map(records.map(({ key, value }) => [key!.toString(), value]));
        const { items } = (await nva.http.get('/v1/vns/1/mappings?at=' + head).expect(200)).body;
        expect(
          [...live]
            .filter(([key, value]) => key.startsWith('mapping/') && value)
            .map(([key]) => key)
            .toSorted(),
        ).toEqual(items.map(({ tsId, ip }: { tsId: string; ip: string }) => `mapping/${tsId}/${ip}`).toSorted());
        expect(await asJson('replay', '--to', String(head), '--verify', ...topics)).toMatchObject({ differences: [] });
        await feed.send(`${feed.prefix}.vn.1`, [
          { key: 'member/nve1', value: null, headers: { position: String(head), log: nva.server.core.store.logId } },
        ]);
        expect(await ask('replay', '--to', String(head), '--verify', ...topics)).toMatchObject({
          code: 5,
          out: expect.stringContaining('the topic of VN 1'),
        });
      } finally {
        await feed.dispose();
      }
    },
    TEST_TIMEOUT_MS,
  );

  it.each([
    [['--speed', 'fast'], 'a multiple of real time'],
    [['--until', 'it rains'], 'a condition has'],
    [['--topics', 'x'], '--topics and --brokers go together'],
    [['--into', 'a', '--out', 'b'], 'a replay goes to one place'],
    [['--snapshots', 'x'], '--snapshots is for --verify'],
    [['--verify', '--out', 'b'], '--verify makes nothing'],
    [['--to', 'soon'], '--to is a position'],
  ])('refuses %j', async (args, why) => {
    const ran = await ask('replay', file, ...args);
    expect([ran.code, ran.err]).toEqual([2, expect.stringContaining(why)]);
  });
});
