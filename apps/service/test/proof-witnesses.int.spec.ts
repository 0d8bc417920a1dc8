import { execFileSync, spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, type Logger } from '@nva/ports';
import { freePort } from '@nva/processes';
import {
  formatAddCheckpoint,
  formatCheckpoint,
  generateKeyFile,
  generateSigner,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  signNote,
  SizeConflict,
  tilesBetween,
  tilePath,
  Witness,
  type Checkpoint,
  type Signer,
} from '@nva/transparency';
import { createService, readConfig, ROLES, type Role, type Service } from '../src/index.ts';
import { attachLine, populate, postLines, until } from './support.ts';
import supertest from 'supertest';

const ORIGIN = 'nva.example/log';
const MODULE = join(import.meta.dirname, '../../../libs/transparency/test/go-verifier');

let folder: string;
let verifier: string;
let running: Service[];
let servers: Server[];
let lines: { readonly name: string; readonly level: string; readonly message: string }[];
let keys: { readonly one: Signer; readonly two: Signer };
let ports: { readonly one: number; readonly two: number };

type Name = 'one' | 'two';

beforeAll(() => {
  verifier = join(mkdtempSync(join(tmpdir(), 'nva-go-verifier-')), 'go-verifier');
  execFileSync('go', ['build', '-o', verifier, '.'], { cwd: MODULE, env: { ...process.env, GOFLAGS: '-mod=readonly' } });
});
afterAll(() => rmSync(dirname(verifier), { recursive: true }));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nva-witnesses-'));
  [running, servers, lines] = [[], [], []];
  const keyOf = (name: Name): Signer => generateKeyFile(join(folder, `${name}.key`), ORIGIN);
  keys = { one: keyOf('one'), two: keyOf('two') };
  ports = { one: await freePort(), two: await freePort() };
});
afterEach(async () => {
  for (const service of running.toReversed()) await service.close();
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

const sha256 = (token: string): string => hash('sha256', token);
const urlOf = (name: Name): string => `http://127.0.0.1:${ports[name]}`;
const other = (name: Name): Name => (name === 'one' ? 'two' : 'one');
const said = (level: string, name: Name): readonly string[] =>
  lines.filter((one) => one.level === level && one.name === name).map(({ message }) => message);

interface WitnessEntry {
  readonly name: string;
  readonly url?: string;
  readonly key: string;
  readonly tokenFile?: string;
}

/** An admin with its own key and data, over the log of `one`; the admins are each other's witnesses unless told otherwise. */
async function start(name: Name, witnesses?: readonly WitnessEntry[], env: Record<string, string> = {}): Promise<Service> {
  const file = join(folder, `${name}.json`);
  const usual = [{ name: other(name), url: `${urlOf(other(name))}/v1/tlog`, key: String(keys[other(name)].verifier) }];
  writeFileSync(file, JSON.stringify({ witnesses: witnesses ?? usual }));
  const roles: readonly Role[] = name === 'one' ? ROLES : ['admin'];
  const line =
    (level: string): Logger['info'] =>
    (message) =>
      void lines.push({ name, level, message });
  const service = await createService(
    readConfig({
      PORT: String(ports[name]),
      DATA_DIR: join(folder, name),
      PROOF_EVERY_MS: '50',
      PROOF_KEY_FILE: join(folder, `${name}.key`),
      PROOF_WITNESSES_FILE: file,
      ...env,
    }),
    roles,
    {
      logger: { ...silentLogger, warn: line('warn'), error: line('error') },
      failed: (cause) => {
        throw cause;
      },
      ...(name === 'two' && { store: running[0]!.core.store }),
    },
  );
  running.push(service);
  await until(() => service.core.ready);
  return service;
}

async function stop(service: Service): Promise<void> {
  running.splice(running.indexOf(service), 1);
  await service.close();
}

const checkpointOf = async (name: Name): Promise<string> => {
  const { status, text: note } = await supertest(urlOf(name)).get('/v1/tlog/checkpoint');
  return status === 200 ? note : '';
};
const parsed = (note: string): Checkpoint => parseCheckpoint(parseNote(note).text);
const signaturesIn = (note: string): number => (note === '' ? 0 : parseNote(note).signatures.length);
const add = (name: Name, body: string) =>
  supertest(urlOf(name)).post('/v1/tlog/add-checkpoint').set('content-type', 'text/plain').send(body);

/** The checkpoint of a name, once it is of the whole log and has so many signatures. */
async function cosigned(name: Name, signatures = 2): Promise<string> {
  const { position } = await running[0]!.core.store.head();
  let note = '';
  await until(async () => {
    note = await checkpointOf(name);
    return signaturesIn(note) >= signatures && parsed(note).position === position;
  });
  return note;
}

describe('two admins of a log', () => {
  it("cosign each other's checkpoints, and what they serve is what Go's packages prove (X17)", async () => {
    const one = await start('one');
    await start('two');
    await populate(supertest(one.url));
    await cosigned('one');
    const many = Array.from({ length: 700 }, (_, n) => attachLine(n, 1 + (n % 3))).join('');
    for (const { status } of await postLines(one.url, many)) expect(status).toBe(200);
    for (const name of ['one', 'two'] as const) {
      const note = await cosigned(name);
      const cosigner = keys[other(name)].asCosigner().verifier;
      const { verified, size } = openCheckpoint(note, ORIGIN, { current: [keys[name].verifier, cosigner], former: [] });
      expect(verified.map(({ keyId }) => keyId).toSorted()).toEqual([keys[name].verifier.keyId, cosigner.keyId].toSorted());
      const served = join(folder, `served-${name}`);
      mkdirSync(served);
      writeFileSync(join(served, 'checkpoint'), note);
      for (const tile of tilesBetween(0, size)) {
        const path = tilePath(tile);
        const { body, headers } = await supertest(urlOf(name)).get(`/v1/tlog/${path}`).expect(200);
        expect(headers['cache-control']).toBe(tile.width === 256 ? 'private, max-age=31536000, immutable' : 'no-cache');
        mkdirSync(dirname(join(served, path)), { recursive: true });
        writeFileSync(join(served, path), body as Buffer);
      }
      const former = [];
      for (const from of [1, 6, 256, 700]) {
        const { body } = await supertest(urlOf(name)).get(`/v1/tlog/consistency?from=${from}&to=${size}`).expect(200);
        former.push({ Size: from, Root: body.from.root, Proof: body.proof });
      }
      writeFileSync(join(served, 'former.json'), JSON.stringify(former));
      const { stdout, stderr } = spawnSync(verifier, [served, String(keys[name].verifier), String(cosigner)], { encoding: 'utf8' });
      expect([stdout, stderr]).toEqual([`proved ${size} records and 4 former trees\n`, '']);
    }
    const { text: metrics } = await supertest(one.url).get('/metrics').expect(200);
    expect(metrics).toMatch(/^nva_proof_cosigned_size\{witness="two"\} 706$/m);
    expect(metrics).toMatch(/^nva_proof_checkpoint_size 706$/m);
    expect(metrics).toMatch(/^nva_proof_forks_total 0$/m);
    expect(said('error', 'one').concat(said('error', 'two'))).toEqual([]);
  });

  it('one of which is down, go on alone; its cosignature comes when it is back, without a new event', async () => {
    const one = await start('one');
    await populate(supertest(one.url));
    expect(signaturesIn(await cosigned('one', 1))).toBe(1);
    await until(() => said('warn', 'one').some((message) => message.includes('does not cosign')));
    const { text: metrics } = await supertest(one.url).get('/metrics').expect(200);
    expect(metrics).toMatch(/^nva_proof_cosignature_failures_total\{witness="two"\} [1-9]/m);
    await start('two');
    await cosigned('one');
  });

  it('need a token of an operator where there are tokens', async () => {
    const tokens = join(folder, 'tokens.json');
    writeFileSync(
      tokens,
      JSON.stringify({
        operators: [{ name: 'two', sha256: sha256('two-token') }],
        nves: [{ nveId: 'nve1', tenants: ['red'], sha256: sha256('nve-token') }],
      }),
    );
    writeFileSync(join(folder, 'two.token'), 'two-token\n');
    const one = await start('one', [{ name: 'two', key: String(keys.two.verifier) }], { TOKENS_FILE: tokens });
    await populate(supertest(one.url), 'two-token');
    await start('two', [{ name: 'one', url: `${urlOf('one')}/v1/tlog`, key: String(keys.one.verifier), tokenFile: 'two.token' }]);
    await until(async () => {
      const { text: note } = await supertest(urlOf('two')).get('/v1/tlog/checkpoint');
      return signaturesIn(note.startsWith(ORIGIN) ? note : '') === 2;
    });
    await supertest(one.url).post('/v1/tlog/add-checkpoint').send('old 0\n\n').expect(401);
    await supertest(one.url).post('/v1/tlog/add-checkpoint').set('authorization', 'Bearer nve-token').send('old 0\n\n').expect(403);
  });
});

describe('POST /v1/tlog/add-checkpoint', () => {
  const now = 1_790_000_000;
  const signed = (checkpoint: Checkpoint, signer: Signer): string => signNote(formatCheckpoint(checkpoint), [signer], now);

  it('answers as C2SP tlog-witness says, keeps what it cosigned, and never cosigns another log (X17)', async () => {
    const one = await start('one', []);
    await populate(supertest(one.url));
    // Cosigns for `one`, and asks nobody.
    let two = await start('two', [{ name: 'one', key: String(keys.one.verifier) }]);
    const note = await cosigned('one', 1);
    const first = await add('two', formatAddCheckpoint({ oldSize: 0, proof: [], note })).expect(200);
    expect(first.headers['content-type']).toMatch(/^text\/plain/);
    expect(first.text).toMatch(/^— nva\.example\/log \S+\n$/);
    const again = await add('two', formatAddCheckpoint({ oldSize: 6, proof: [], note })).expect(200);
    expect(again.text).toMatch(/^— nva\.example\/log \S+\n$/);

    const conflict = await add('two', formatAddCheckpoint({ oldSize: 3, proof: [], note })).expect(409);
    expect([conflict.headers['content-type'], conflict.text]).toEqual(['text/x.tlog.size', '6\n']);
    for (const [body, status, code] of [
      ['', 400, 'malformed-body'],
      ['nothing', 400, 'malformed-body'],
      [`old -1\n\n${note}`, 400, 'malformed-body'],
      [`old 6\nnot base64!\n\n${note}`, 400, 'malformed-body'],
      [`old 7\n\n${note}`, 400, 'malformed-body'],
      [formatAddCheckpoint({ oldSize: 0, proof: [], note: signed(parsed(note), generateSigner(ORIGIN)) }), 403, 'forbidden'],
      [
        formatAddCheckpoint({
          oldSize: 0,
          proof: [],
          note: signed({ ...parsed(note), origin: 'else.example/log' }, generateSigner('else.example/log')),
        }),
        404,
        'not-found',
      ],
    ] as const)
      expect((await add('two', body).expect(status)).body, body).toMatchObject({ code, status });

    await stop(two);
    two = await start('two', [{ name: 'one', key: String(keys.one.verifier) }]);
    await cosigned('two', 1);
    expect((await add('two', formatAddCheckpoint({ oldSize: 0, proof: [], note })).expect(409)).text).toBe('6\n');

    // Whoever has the key of `one` signs logs that never were.
    const root = Buffer.alloc(32, 7);
    const larger = { ...parsed(note), size: 7, position: 7, root };
    const same = await add('two', formatAddCheckpoint({ oldSize: 6, proof: [], note: signed({ ...parsed(note), root }, keys.one) })).expect(
      409,
    );
    expect(same.text).toBe('6\n');
    await supertest(one.url)
      .put('/v1/nves/nve1/tenant-systems/ts1')
      .send({ tenantId: 'red', vmId: 'vm-1', mac: '02:00:00:00:00:01' })
      .expect(200);
    const { body } = await add('two', formatAddCheckpoint({ oldSize: 6, proof: [root], note: signed(larger, keys.one) })).expect(422);
    expect(body).toMatchObject({ code: 'proof-refused', row: 'X17' });
    expect(said('error', 'two')).toEqual([expect.stringContaining('is not of this log')]);
    expect((await supertest(two.url).get('/metrics').expect(200)).text).toMatch(/^nva_proof_forks_total 1$/m);
    // It has kept what it cosigned, and cosigns the real one.
    const real = await cosigned('one', 1);
    const { proof } = (await supertest(one.url).get('/v1/tlog/consistency?from=6').expect(200)).body;
    await add(
      'two',
      formatAddCheckpoint({ oldSize: 6, proof: proof.map((line: string) => Buffer.from(line, 'base64')), note: real }),
    ).expect(200);
  });

  it('compares with its own tree from the first checkpoint on, and says that it is behind one that it cannot compare', async () => {
    const one = await start('one', []);
    await populate(supertest(one.url));
    const two = await start('two', [{ name: 'one', key: String(keys.one.verifier) }]);
    const note = await cosigned('one', 1);
    await cosigned('two', 1);
    const forged = signed({ ...parsed(note), root: Buffer.alloc(32, 7) }, keys.one);
    const { body } = await add('two', formatAddCheckpoint({ oldSize: 0, proof: [], note: forged })).expect(422);
    expect(body).toMatchObject({ code: 'proof-refused' });
    const beyond = signed({ ...parsed(note), size: 600, position: 600 }, keys.one);
    expect((await add('two', formatAddCheckpoint({ oldSize: 0, proof: [], note: beyond })).expect(503)).body).toMatchObject({
      code: 'behind',
      expected: '600',
      actual: '6',
    });
    expect((await supertest(two.url).get('/metrics').expect(200)).text).toMatch(/^nva_proof_forks_total 1$/m);
  });
});

describe('a foreign witness', () => {
  /** A witness that is no admin; `answers` may be others than it would give. */
  async function witness(signer: Signer, answers: { status?: number; text?: string } = {}): Promise<string> {
    const kept = new Witness({ folder: join(folder, 'foreign'), signer, logs: [keys.one.verifier], nowSeconds: () => 1_790_000_000 });
    const server = createServer((request, response) => {
      void text(request).then(async (body) => {
        try {
          const line = await kept.cosign(body);
          response.writeHead(answers.status ?? 200).end(answers.text ?? line);
        } catch (error) {
          if (error instanceof SizeConflict) response.writeHead(409).end(`${error.size}\n`);
          else response.writeHead(422).end((error as Error).message);
        }
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('cosigns by its own key; its cosignature is verified before it is put below the checkpoint', async () => {
    const signer = generateSigner('witness.example', 4);
    const url = await witness(signer);
    const one = await start('one', [{ name: 'w1', url, key: String(signer.verifier) }]);
    await populate(supertest(one.url));
    const note = await cosigned('one');
    const { verified } = openCheckpoint(note, ORIGIN, { current: [keys.one.verifier, signer.verifier], former: [] });
    expect(verified.map(({ name }) => name)).toContain('witness.example');
    expect((await supertest(one.url).get('/v1/tlog/keys').expect(200)).body.witnesses).toEqual([
      { name: 'w1', key: String(signer.verifier) },
    ]);
  });

  it('that signs with another key, or refuses since it has another log, is told of, and nothing of it is put below', async () => {
    const [known, stranger] = [generateSigner('witness.example', 4), generateSigner('witness.example', 4)];
    const wrong = await witness(stranger);
    const refusing = await witness(known, { status: 422, text: 'another log' });
    const one = await start('one', [
      { name: 'wrong', url: wrong, key: String(known.verifier) },
      { name: 'refusing', url: refusing, key: String(generateSigner('other.example', 4).verifier) },
    ]);
    await populate(supertest(one.url));
    await until(() => said('error', 'one').length > 0 && said('warn', 'one').length > 0);
    expect(said('error', 'one')[0]).toContain('has another log under this key');
    expect(said('warn', 'one')[0]).toContain('does not cosign');
    expect(signaturesIn(await cosigned('one', 1))).toBe(1);
    expect((await supertest(one.url).get('/metrics').expect(200)).text).toMatch(/^nva_proof_forks_total [1-9]/m);
  });
});

describe('PROOF_WITNESSES_FILE and PROOF_KEY_FILE', () => {
  const key = String(generateSigner('nva.example/log').verifier);
  it.each([
    ['not JSON', 'cannot be read as JSON'],
    ['[]', 'an object with witnesses'],
    ['{"witnesses": [], "more": 1}', 'an object with witnesses'],
    [{ witnesses: Array.from({ length: 17 }, (_, i) => ({ name: `w${i}`, key })) }, '16 at most'],
    [{ witnesses: [{ name: 'two words', key }] }, 'witnesses[0].name is'],
    [{ witnesses: [{ name: 'a', key, port: 1 }] }, 'got «port»'],
    [{ witnesses: [{ name: 'a', key: 'x' }] }, 'witnesses[0].key'],
    [{ witnesses: [{ name: 'a', key, url: 'ftp://x' }] }, 'witnesses[0].url is'],
    [{ witnesses: [{ name: 'a', key, url: 'http://x/' }] }, 'without a slash'],
    [{ witnesses: [{ name: 'a', key, tokenFile: '' }] }, 'tokenFile is a path'],
    [
      {
        witnesses: [
          { name: 'a', key },
          { name: 'a', key: key.replace(/\+.*/, '') },
        ],
      },
      'witnesses[1].key',
    ],
    [
      {
        witnesses: [
          { name: 'a', key },
          { name: 'b', key },
        ],
      },
      'is there twice',
    ],
  ])('refuses a file that is wrong: $1', (content, why) => {
    const file = join(folder, 'wrong.json');
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    expect(() => readConfig({ PROOF_WITNESSES_FILE: file })).toThrow(why);
  });

  it('must be readable, and the key its owner’s alone', () => {
    expect(() => readConfig({ PROOF_WITNESSES_FILE: join(folder, 'nowhere') })).toThrow('PROOF_WITNESSES_FILE');
    expect(() => readConfig({ PROOF_KEY_FILE: join(folder, 'nowhere') })).toThrow('PROOF_KEY_FILE: expected a file with a signer key');
    writeFileSync(join(folder, 'open.key'), 'x', { mode: 0o644 });
    expect(() => readConfig({ PROOF_KEY_FILE: join(folder, 'open.key') })).toThrow('mode 0644');
  });
});
