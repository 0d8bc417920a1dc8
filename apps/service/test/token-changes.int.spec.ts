import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Credentials } from '../src/access/credentials.ts';
import { readConfig } from '../src/index.ts';
import { SseReader } from './sse-reader.ts';
import { attachLine, populate, startNva, tsBody, until, vnBody, type NvaFixture } from './support.ts';

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
const alice = { name: 'alice', sha256: sha256('alice-token') };
const bob = { name: 'bob', sha256: sha256('bob-token') };
const nve = (n: number, tenants: readonly string[] | null = ['red']): object => ({
  nveId: `nve${n}`,
  tenants,
  sha256: sha256(`nve${n}-token`),
});
const AS_BEFORE = { operators: [alice], nves: [nve(1), nve(2, null)] };

let directory: string;
let file: string;
let nva: NvaFixture;
let lines: { readonly level: string; readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[];

beforeEach(async () => {
  lines = [];
  directory = await mkdtemp(join(tmpdir(), 'nva-token-changes-'));
  file = join(directory, 'tokens.json');
  await writeFile(file, JSON.stringify(AS_BEFORE));
  const say =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void lines.push({ level, message, fields });
  nva = await startNva({
    env: { TOKENS_FILE: file },
    logger: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
  });
  await populate(nva.http, 'alice-token');
  for (const n of [1, 2]) await put('alice', `/v1/nves/nve${n}/tenant-systems/ts${n}`, tsBody(n)).expect(200);
});

afterEach(async () => {
  await nva.stop();
  await rm(directory, { recursive: true });
});

/** As an editor does it: another file is put in its place. */
async function replace(content: object | string): Promise<void> {
  await writeFile(`${file}.new`, typeof content === 'string' ? content : JSON.stringify(content));
  await rename(`${file}.new`, file);
}

const put = (who: string, path: string, body: object) => nva.http.put(path).set('authorization', `Bearer ${who}-token`).send(body);
const status = async (who: string, path = '/v1/vns/1'): Promise<number> =>
  (await nva.http.get(path).set('authorization', `Bearer ${who}-token`)).status;
const feed = (who: string, path: string): Promise<SseReader> =>
  SseReader.open(`${nva.url}${path}`, { authorization: `Bearer ${who}-token` });
const metric = async (name: string): Promise<number> =>
  Number(
    new RegExp(`^${name} (\\S+)$`, 'm').exec(
      (await nva.http.get('/metrics').set('authorization', 'Bearer alice-token').expect(200)).text,
    )?.[1],
  );

/** A stream of commands that stays open. */
function commands(who: string): { say(line: string): void; answer(): Promise<Record<string, unknown> | null>; end(): void } {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (started) => void (controller = started) });
  const answered = fetch(`${nva.url}/v1/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', 'authorization': `Bearer ${who}-token` },
    body,
    duplex: 'half',
  }).then((response) => response.body!.getReader());
  let text = '';
  return {
    say: (line) => controller.enqueue(new TextEncoder().encode(line)),
    end: () => controller.close(),
    async answer() {
      const reader = await answered;
      while (!text.includes('\n')) {
        const read = await reader.read().catch(() => ({ done: true, value: undefined }));
        if (read.done) return null;
        text += new TextDecoder().decode(read.value);
      }
      const end = text.indexOf('\n');
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      return JSON.parse(line) as Record<string, unknown>;
    },
  };
}

describe('a change of TOKENS_FILE', () => {
  it('takes effect within seconds: a token that is gone is nobody\u2019s, a new one somebody\u2019s', async () => {
    expect([await status('alice'), await status('bob')]).toEqual([200, 401]);
    await replace({ operators: [alice, bob], nves: [nve(2, null)] });
    await until(async () => (await status('bob')) === 200);
    expect([await status('alice'), await status('nve1'), await status('nve2')]).toEqual([200, 401, 200]);
  });

  it('takes effect at once where somebody asks for it, also in place', async () => {
    await writeFile(file, JSON.stringify({ operators: [alice, bob] }));
    nva.server.reloadCredentials();
    expect([await status('bob'), await status('nve1')]).toEqual([200, 401]);
  });

  it('ends the open feeds of a token that is taken back, and no others (X8)', async () => {
    const [gone, goneVn, stays] = await Promise.all([
      feed('nve1', '/v1/nves/nve1/feed'),
      feed('nve1', '/v1/vns/1/feed'),
      feed('nve2', '/v1/vns/1/feed'),
    ]);
    for (const reader of [gone, goneVn, stays]) await reader.snapshot();
    await replace({ operators: [alice], nves: [nve(2, null)] });
    for (const reader of [gone, goneVn]) await expect(reader.next()).rejects.toThrow('aborted');
    await put('alice', '/v1/vns/1', vnBody({ name: 'still told' })).expect(200);
    expect((await stays.next())!.data).toMatchObject({ key: 'context' });
    stays.close();
  });

  it('that somebody asks for ends the open feeds of a token that is taken back, and not the process (X8)', async () => {
    const [gone, goneVn, stays] = await Promise.all([
      feed('nve1', '/v1/nves/nve1/feed'),
      feed('nve1', '/v1/vns/1/feed'),
      feed('nve2', '/v1/vns/1/feed'),
    ]);
    for (const reader of [gone, goneVn, stays]) await reader.snapshot();
    await writeFile(file, JSON.stringify({ operators: [alice], nves: [nve(2, null)] }));
    expect(() => nva.server.reloadCredentials()).not.toThrow();
    for (const reader of [gone, goneVn]) await expect(reader.next()).rejects.toThrow('aborted');
    expect([await metric('nva_unhandled_rejections_total'), lines.filter(({ level }) => level === 'error')]).toEqual([0, []]);
    stays.close();
  });

  it('ends a stream of commands whose token is taken back; nothing more of it is decided', async () => {
    const stream = commands('nve1');
    stream.say(attachLine(1, 1));
    expect(await stream.answer()).toMatchObject({ status: 200 });
    const before = await nva.head();
    await replace({ operators: [alice] });
    expect(await stream.answer()).toBeNull();
    expect(await nva.head()).toBe(before);
  });

  it('takes tenants from a stream of commands that goes on (R44)', async () => {
    const stream = commands('nve1');
    stream.say(attachLine(1, 1));
    expect(await stream.answer()).toMatchObject({ status: 200 });
    await replace({ operators: [alice], nves: [nve(1, ['blue']), nve(2, null)] });
    await until(() => lines.some(({ message }) => message === 'tokens and keys were read again'));
    stream.say(attachLine(5, 1));
    expect(await stream.answer()).toMatchObject({ status: 403, code: 'forbidden', field: 'tenantId' });
    stream.end();
  });

  it.each([
    ['is no JSON', '{"operators": ['],
    ['would leave nobody', '{}'],
    ['has a token in clear', JSON.stringify({ operators: [{ name: 'alice', sha256: 'alice-token' }] })],
  ])('that %s is refused: the old tokens stay in force, and it is logged and on the metrics', async (_, content) => {
    const loadedAt = await metric('nva_tokens_loaded_timestamp_seconds');
    await replace(content);
    await until(async () => (await metric('nva_tokens_file_wrong')) === 1);
    expect([
      await status('alice'),
      await status('nve1'),
      await metric('nva_tokens_file_errors_total'),
      await metric('nva_tokens_loaded_timestamp_seconds'),
    ]).toEqual([200, 200, 1, loadedAt]);
    expect(lines.filter(({ level }) => level === 'error')).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('those of before stay in force'),
        fields: { err: expect.objectContaining({ message: expect.stringMatching(/^TOKENS_FILE/) }) },
      }),
    ]);
    await replace({ operators: [alice, bob] });
    await until(async () => (await status('bob')) === 200);
    expect([await metric('nva_tokens_file_wrong'), await metric('nva_tokens_loaded_timestamp_seconds')]).toEqual([
      0,
      expect.toSatisfy((at: number) => at > loadedAt),
    ]);
  });

  it('to no file at all is refused once, until there is one', async () => {
    await rm(file);
    await until(async () => (await metric('nva_tokens_file_errors_total')) === 1);
    await replace(AS_BEFORE);
    await until(async () => (await metric('nva_tokens_file_wrong')) === 0);
    expect(await metric('nva_tokens_file_errors_total')).toBe(1);
  });

  it('is logged with how many names came, went and changed, and nothing that is secret', async () => {
    await replace({ operators: [bob], nves: [nve(1), nve(2, ['red']), nve(3)] });
    await until(() => lines.some(({ message }) => message === 'tokens and keys were read again'));
    expect(lines.filter(({ message }) => message.includes('tokens'))).toEqual([
      { level: 'info', message: 'tokens and keys were read again', fields: { added: 2, removed: 1, changed: 1 } },
    ]);
  });
});

describe('keys of commands and the token for peers', () => {
  it('are read again with the tokens, all of them or none', async () => {
    const [keys, peer] = [join(directory, 'keys.json'), join(directory, 'peer')];
    const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64');
    await writeFile(keys, JSON.stringify({ nves: [{ nveId: 'nve1', keys: [key(1)] }] }), { mode: 0o600 });
    await writeFile(peer, 'first\n');
    const config = readConfig({
      TOKENS_FILE: file,
      KAFKA_BROKERS: 'a:1',
      KAFKA_COMMANDS: 'true',
      COMMAND_KEYS_FILE: keys,
      KAFKA_ACLS: 'true',
      PEER_TOKEN_FILE: peer,
    });
    const credentials = new Credentials(config, systemClock, silentLogger);
    let changes = 0;
    credentials.onChange(() => changes++);
    const state = (): unknown => [
      credentials.peerAuthorization,
      credentials.keys!.nveIds,
      credentials.keys!.standing('nve1'),
      changes,
      credentials.counters.errors,
    ];
    const red = { kind: 'nve', nveId: 'nve1', tenants: ['red'] };
    expect(state()).toEqual(['Bearer first', ['nve1'], red, 0, 0]);
    await credentials.look();
    expect(state()).toEqual(['Bearer first', ['nve1'], red, 0, 0]);

    await writeFile(peer, 'second\n');
    await writeFile(keys, JSON.stringify({ nves: [{ nveId: 'nve3', keys: [key(2)], tenants: ['blue'] }] }));
    await credentials.look();
    expect(state()).toEqual(['Bearer second', ['nve3'], null, 1, 0]);

    await writeFile(peer, 'third\n');
    await chmod(keys, 0o644);
    await credentials.look();
    expect(state()).toEqual(['Bearer second', ['nve3'], null, 1, 1]);
    await chmod(keys, 0o600);
    await credentials.look();
    expect(state()).toEqual(['Bearer third', ['nve3'], null, 2, 1]);
  });
});
