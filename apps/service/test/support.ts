import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, type Clock, type Logger } from '@nva/ports';
import { until as untilNothingLacks } from '@nva/processes';
import supertest from 'supertest';
import { createService, readConfig, ROLES, type NvaConfig, type Service } from '../src/index.ts';

export type Http = ReturnType<typeof supertest>;
export type Environment = Readonly<Record<string, string>>;

/** Ready is a state that is waited for; on Kafka, and beside other work, it takes longer than in process. */
const READY_LIMIT_MS = 240_000;

export interface NvaFixture {
  readonly server: Service;
  readonly http: Http;
  readonly url: string;
  readonly dataDir: string;
  /** Position of the last event in the log. */
  head(): Promise<number>;
  /** Stops the server and starts another on the same directory and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface NvaFixtureOptions {
  readonly env?: Environment;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** What the environment does not allow. */
  readonly config?: Partial<NvaConfig>;
}

/** A directory for one test's log, and what removes it. */
export async function temporaryDirectory(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const parent = await mkdtemp(join(tmpdir(), 'nva-app-'));
  return { path: join(parent, 'data'), remove: () => rm(parent, { recursive: true, force: true }) };
}

/** A real server on a free port, with a log of its own. What makes it fail makes its test fail. */
export async function startNva({ env = {}, clock, logger = silentLogger, config = {} }: NvaFixtureOptions = {}): Promise<NvaFixture> {
  const directory = await temporaryDirectory();
  const open = async (port: string): Promise<Service> => {
    const server = await createService({ ...readConfig({ PORT: port, DATA_DIR: directory.path, ...env }), ...config }, ROLES, {
      logger,
      ...(clock ? { clock } : {}),
      failed: (cause) => {
        throw cause;
      },
    });
    await until(() => server.core.ready, READY_LIMIT_MS);
    return server;
  };
  let server = await open('0');
  let http = supertest(server.url);
  return {
    get server() {
      return server;
    },
    get http() {
      return http;
    },
    get url() {
      return server.url;
    },
    dataDir: directory.path,
    head: async () => (await server.core.store.head()).position,
    async restart() {
      const { port } = new URL(server.url);
      await server.close();
      server = await open(port);
      http = supertest(server.url);
    },
    async stop() {
      await server.close();
      await directory.remove();
    },
  };
}

/** Waits, bounded, for what no event tells of. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = 120_000): Promise<void> {
  await untilNothingLacks(String(condition), async () => ((await condition()) ? null : 'not so'), limitMs);
}

export const vnBody = (fields: object = {}): object => ({ tenantId: 'red', name: 'VN', service: 'l3', encapsulation: 'vxlan', ...fields });
export const nveBody = (n: number, fields: object = {}): object => ({
  siteId: `site-${n}`,
  mac: `02:00:00:00:ff:${hex(n)}`,
  addresses: [`198.51.100.${n}`],
  incarnation: 1,
  ...fields,
});
export const tsBody = (n: number, fields: object = {}): object => ({
  tenantId: 'red',
  vmId: `vm-${n}`,
  mac: macOf(n),
  bindings: [{ vnid: 1, ip: `10.0.0.${n}` }],
  ...fields,
});
export const macOf = (n: number): string => `02:00:00:00:00:${hex(n)}`;
const hex = (n: number): string => n.toString(16).padStart(2, '0');

/** VN 1 (L3) and VN 2 (L2) of tenant red, VN 9 of tenant blue; nve1 to nve3 connected. */
export async function populate(http: Http, token?: string): Promise<void> {
  const put = (path: string, body: object) => {
    const call = http.put(path).send(body);
    return (token === undefined ? call : call.set('authorization', `Bearer ${token}`)).expect(200);
  };
  await put('/v1/vns/1', vnBody({ name: 'VN1' }));
  await put('/v1/vns/2', vnBody({ name: 'VN2', service: 'l2', encapsulation: 'nvgre' }));
  await put('/v1/vns/9', vnBody({ tenantId: 'blue', name: 'VN9' }));
  for (const n of [1, 2, 3]) await put(`/v1/nves/nve${n}`, nveBody(n));
}

export type LinesBody = string | ReadableStream<Uint8Array>;

/** POST /v1/commands: the body as it goes, the results as they come. */
export async function postLines(
  url: string,
  body: LinesBody,
  headers: Readonly<Record<string, string>> = {},
): Promise<Record<string, unknown>[]> {
  const response = await fetch(`${url}/v1/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', ...headers },
    body,
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  });
  const text = await response.text();
  if (response.status !== 200 || response.headers.get('content-type') !== 'application/x-ndjson')
    throw new Error(`${response.status}: ${text}`);
  if (text !== '' && !text.endsWith('\n')) throw new Error(`the last result is cut: ${text.slice(-200)}`);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A line of NDJSON. */
export const line = (command: string, fields: object): string => `${JSON.stringify({ command, ...fields })}\n`;
/** One of many tenant systems, without bindings unless given. */
export const attachLine = (n: number, nve: number, fields: object = {}): string =>
  line('attach', {
    nveId: `nve${nve}`,
    tsId: `ts${n}`,
    tenantId: 'red',
    vmId: `vm-${n}`,
    mac: wideMac(n),
    bindings: [{ vnid: 1, ip: wideIp(n) }],
    ...fields,
  });
const wideMac = (n: number): string => `02:00:00:${hex((n >> 16) & 255)}:${hex((n >> 8) & 255)}:${hex(n & 255)}`;
const wideIp = (n: number): string => `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
