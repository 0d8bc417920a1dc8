import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { request, type ClientRequest } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { createEventCodec } from '@nva/codec';
import { SqliteEventStore } from '@nva/event-log';
import { silentLogger, systemClock, type Clock, type EventStore, systemTimers } from '@nva/ports';
import { createService, readConfig, ROLES, type Service } from '../src/index.ts';
import { COMMANDS_PER_TURN } from '../src/commands/command-pieces.ts';
import { page, pageQuery } from '../src/reads/paging.ts';
import { mappingEntries } from '../src/reads/tables.ts';
import { attachLine, nveBody, postLines, temporaryDirectory, tsBody, until, vnBody } from './support.ts';

const HEAVY = 12;
/** Of each. */
const LINES = 600;
/** What may be under way where the log takes no time, as it does on a clock that stands still. */
const UNDER_WAY = 64;
const STILL: Clock = { ...systemTimers, wallMs: () => 1_790_000_000_000, monotonicMs: () => 1_000 };

const tokenOf = (name: string): string => `token-of-${name}`;
const bearer = (name: string) => ({ authorization: `Bearer ${tokenOf(name)}` });

const releases: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

/** A log whose appends wait while the gate is shut. */
async function gatedLog(directory: string, clock: Clock): Promise<{ readonly store: EventStore; shut(): void; open(): void }> {
  const inner = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock });
  let gate = Promise.resolve();
  let open = (): void => {};
  const append: EventStore['append'] = async (appends) => {
    await gate;
    return inner.append(appends);
  };
  const store = new Proxy<EventStore>(inner, {
    get: (target, name) => {
      if (name === 'append') return append;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { store, shut: () => void ({ promise: gate, resolve: open } = Promise.withResolvers<void>()), open: () => open() };
}

/** An NVA with operators and the NVE nve1, whose log can be held up; VN 1 and nve1 are there. */
async function start(clock: Clock = STILL, env: Readonly<Record<string, string>> = {}) {
  const directory = await temporaryDirectory();
  const log = await gatedLog(directory.path, clock);
  const names = ['light', ...Array.from({ length: HEAVY }, (_, n) => `heavy-${n}`)];
  const sha256 = (name: string): string => createHash('sha256').update(tokenOf(name)).digest('hex');
  const tokens = `${directory.path}-tokens.json`;
  await writeFile(
    tokens,
    JSON.stringify({ operators: names.map((name) => ({ name, sha256: sha256(name) })), nves: [{ nveId: 'nve1', sha256: sha256('nve1') }] }),
  );
  const service = await createService(
    readConfig({ PORT: '0', DATA_DIR: directory.path, TOKENS_FILE: tokens, SNAPSHOT_EVERY_EVENTS: '0', ...env }),
    ROLES,
    {
      logger: silentLogger,
      clock,
      store: log.store,
      failed: (cause) => {
        throw cause;
      },
    },
  );
  releases.push(
    () => directory.remove(),
    () => log.store.close(),
    () => service.close(),
    () => log.open(),
  );
  await until(() => service.core.ready);
  await put(service, '/v1/vns/1', vnBody());
  await put(service, '/v1/nves/nve1', nveBody(1));
  return { service, log, commands: service.core.turns.commands };
}

async function put(
  service: Service,
  path: string,
  body: object,
  caller = 'light',
  method: 'PUT' | 'POST' = 'PUT',
): Promise<Record<string, unknown>> {
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: { ...bearer(caller), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  if (response.status !== 200) throw new Error(JSON.stringify(answer));
  return answer;
}

/** Attaches of a caller as NDJSON, as fast as they are taken. */
function load(service: Service, n: number): ClientRequest {
  const call = request(
    `${service.url}/v1/commands`,
    { method: 'POST', headers: { ...bearer(`heavy-${n}`), 'content-type': 'application/x-ndjson' } },
    (response) => response.resume().on('error', () => {}),
  );
  call.on('error', () => {});
  call.end(Array.from({ length: LINES }, (_, i) => attachLine((n + 1) * 10_000 + i, 1)).join(''));
  releases.push(() => void call.destroy());
  return call;
}

/** Twelve callers whose lines wait, while the log is held up. */
async function loaded() {
  const fixture = await start();
  const { service, log, commands } = fixture;
  log.shut();
  const from = service.core.replica.network.position;
  for (let n = 0; n < HEAVY; n++) load(service, n);
  await until(
    () => commands.callers === HEAVY && commands.underWay >= UNDER_WAY && commands.waiting >= HEAVY * 2 * COMMANDS_PER_TURN,
    60_000,
  );
  return { ...fixture, from };
}

describe('while twelve callers bring more lines than can be done', () => {
  it('an attach by somebody else comes right after what is under way, however much of theirs waits', async () => {
    const { service, log, commands, from } = await loaded();
    const { underWay } = commands;
    expect(underWay).toBeLessThan(UNDER_WAY + COMMANDS_PER_TURN);
    const answer = put(service, '/v1/nves/nve1/tenant-systems/ts1', tsBody(1));
    await until(() => commands.underWay === underWay + 1);
    log.open();
    expect(Number((await answer)['position'])).toBe(from + underWay + 1);
  });

  it('they share alike: none is ahead of another by more than two chunks while all have lines waiting', async () => {
    const { service, log, commands, from } = await loaded();
    const done = new Map<string, number>();
    let [compared, apart] = [0, 0];
    const underWay = from + commands.underWay;
    service.core.replica.onFolded(({ position, event }) => {
      // Who came first had it alone.
      if (position <= underWay) return;
      const { actor } = event.data.audit;
      done.set(actor, (done.get(actor) ?? 0) + 1);
      if (commands.callers < HEAVY || done.size < HEAVY) return;
      compared++;
      apart = Math.max(apart, Math.max(...done.values()) - Math.min(...done.values()));
    });
    log.open();
    await until(() => [...done.values()].reduce((sum, count) => sum + count, 0) === HEAVY * LINES - (underWay - from), 60_000);
    expect(apart).toBeLessThanOrEqual(2 * COMMANDS_PER_TURN);
    expect(compared).toBeGreaterThan(HEAVY * COMMANDS_PER_TURN);
  });

  it('a heartbeat is answered before any of them, and so are /healthz, /readyz and reads', async () => {
    const { service, commands } = await loaded();
    const before = commands.waiting;
    await put(service, '/v1/nves/nve1/heartbeat', { incarnation: 1, applied: [] }, 'nve1', 'POST');
    for (const path of ['/healthz', '/readyz', '/v1/vns/1', '/v1/vns/1/mappings', '/metrics'])
      expect((await fetch(`${service.url}${path}`, { headers: bearer('light') })).status, path).toBe(200);
    expect(commands.waiting).toBeGreaterThanOrEqual(before);
    expect(commands.callers).toBe(HEAVY);
  });
});

describe('a caller’s lines', () => {
  it('beyond LINE_RATE_LIMIT_PER_S wait and are not refused', async () => {
    const { service } = await start(systemClock, { LINE_RATE_LIMIT_PER_S: '2000' });
    const from = performance.now();
    const results = await postLines(service.url, Array.from({ length: 3_000 }, (_, i) => attachLine(i, 1)).join(''), bearer('light'));
    expect(results.filter(({ status }) => status === 200)).toHaveLength(3_000);
    expect(performance.now() - from).toBeGreaterThanOrEqual(450);
  });
});

describe('a page of a table', () => {
  it('costs what is on it, and not what the table holds', async () => {
    const { service } = await start(systemClock);
    const rows = 5_000;
    await postLines(service.url, Array.from({ length: rows }, (_, i) => attachLine(i, 1)).join(''), bearer('light'));
    const { network } = service.core.replica;
    const vn = network.vns.get(1)!;
    /** Entries looked at in each step of reading a page. */
    const read = (after?: string): { readonly looked: number[]; readonly next?: string } => {
      const looked = [0];
      const entries = (function* () {
        for (const entry of mappingEntries(network, vn, after)) {
          if (entry) looked[looked.length - 1]!++;
          yield entry;
        }
      })();
      const steps = page(entries, pageQuery({ limit: '100', ...(after === undefined ? {} : { after }) }));
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done) return { looked, ...(JSON.parse(step.value) as { next?: string }) };
        looked.push(0);
      }
    };
    const first = read();
    expect(Math.max(...first.looked)).toBeLessThanOrEqual(64);
    let pages = 1;
    for (let { next } = first; next !== undefined; pages++) {
      const { looked, next: following } = read(next);
      expect(looked.length).toBeLessThanOrEqual(3);
      expect(looked.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(102);
      next = following;
    }
    expect(pages).toBe(rows / 100);
  });
});
