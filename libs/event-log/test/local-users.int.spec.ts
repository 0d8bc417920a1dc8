import { fork, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LogRefused, NO_STREAM, silentLogger, type EventStore, type Logger } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { openStore, TemporaryDirectory } from './support.ts';

/** Of what a busy machine may take for what must come. */
const LIMIT_MS = 300_000;
const BYSTANDER = fileURLToPath(new URL('./bystander.ts', import.meta.url));
/** Nobody, by number: this must not depend on the machine's list of users. Another user can be tried by root only. */
const NOBODY = 65_534;
const asNobody = process.getuid!() === 0 ? { uid: NOBODY, gid: NOBODY } : null;
/** Takes a read lock on one byte of a file that it may only read, as fcntl(2) does, says so, and keeps it until its input ends. */
const LOCK_BYTE =
  'use Fcntl; open F, "<", $ARGV[0] or die "open: $!"; fcntl(F, F_SETLK, pack("s s x4 q q i x4", F_RDLCK, 0, $ARGV[1], 1, 0)) or die "lock: $!"; $| = 1; print "locked\\n"; <STDIN>';

let directory: TemporaryDirectory;
let log: string;
let store: EventStore | undefined;
const children: ChildProcess[] = [];

beforeEach(() => {
  directory = new TemporaryDirectory();
  log = join(directory.path, 'log');
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await store?.close();
  store = undefined;
  directory[Symbol.dispose]();
});

const modes = (path: string): Record<string, string> =>
  Object.fromEntries(['.', ...readdirSync(path)].map((name) => [name, (statSync(join(path, name)).mode & 0o777).toString(8)]));

/** The log as a process leaves it that is killed, with modes that an older program gave it. */
async function makeOpenLog(): Promise<void> {
  const running = await openStore(join(directory.path, 'running'));
  await running.append([fresh('a', NO_STREAM, 3)]);
  cpSync(join(directory.path, 'running'), log, { recursive: true });
  await running.close();
  chmodSync(directory.path, 0o755);
  chmodSync(log, 0o755);
  for (const name of readdirSync(log)) chmodSync(join(log, name), 0o644);
}

/** Another user's process that keeps a read lock on one byte of a file, opened while everybody may. */
async function lockedByAnother(file: string, byte: number): Promise<void> {
  const child = spawn('perl', ['-e', LOCK_BYTE, file, String(byte)], { ...asNobody, stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  child.on('error', (error) => expect.fail(`this test needs perl, in Debian «apt-get install perl-base»: ${error.message}`));
  expect(String((await once(child.stdout!, 'data'))[0])).toBe('locked\n');
}

/** A process of the same user that does something to the database by hand. */
async function bystander(...args: string[]): Promise<ChildProcess> {
  const child = fork(BYSTANDER, [join(log, 'log.sqlite'), ...args], { execArgv: ['--conditions=source'] });
  children.push(child);
  await once(child, 'message');
  return child;
}

describe('files of the log', () => {
  it("are their owner's alone from the moment that they are made, whatever the umask", async () => {
    const before = process.umask(0);
    try {
      store = await openStore(log);
      await store.append([fresh('a', NO_STREAM)]);
    } finally {
      process.umask(before);
    }
    expect(modes(log)).toEqual({
      '.': '700',
      'log.end': '600',
      'log.lock': '600',
      'log.sqlite': '600',
      'log.sqlite-shm': '600',
      'log.sqlite-wal': '600',
    });
  });

  it('that others could open are corrected at the start, with a line in the log for each', async () => {
    await makeOpenLog();
    const lines: unknown[] = [];
    const logger: Logger = { ...silentLogger, warn: (message, fields) => lines.push([message, fields]) };
    store = await openStore(log, { logger });
    await store.append([fresh('b', NO_STREAM)]);
    expect(new Set(Object.values(modes(log)))).toEqual(new Set(['700', '600']));
    expect(lines).toHaveLength(6);
    expect(lines).toContainEqual([
      'others could open a file or folder of this process; that is corrected',
      { path: join(log, 'log.end'), mode: '0644', correctedTo: '0600' },
    ]);
    expect(lines).toContainEqual([
      'others could open a file or folder of this process; that is corrected',
      { path: log, mode: '0755', correctedTo: '0700' },
    ]);
  });

  it('that belong to another user are refused, with what to do', async () => {
    await makeOpenLog();
    if (!asNobody) return expect(chownSync.bind(null, log, NOBODY, NOBODY)).toThrow(/EPERM/);
    chownSync(join(log, 'log.end'), NOBODY, NOBODY);
    await expect(openStore(log)).rejects.toBeInstanceOf(LogRefused);
    await expect(openStore(log)).rejects.toThrow(
      `log.end belongs to user ${NOBODY}, and this process is user 0: whoever owns it may change it. Run as its owner, or give it to this one (chown -R 0)`,
    );
  });
});

describe('another user of the machine', () => {
  it.each(['log.sqlite', 'log.sqlite-wal', 'log.sqlite-shm', 'log.lock', 'log.end'])(
    'cannot open %s of a log that is open, let alone lock it',
    async (name) => {
      store = await openStore(log);
      chmodSync(directory.path, 0o755);
      const attempt = spawnSync('perl', ['-e', LOCK_BYTE, join(log, name), '120'], { ...asNobody, encoding: 'utf8', input: '' });
      expect([attempt.error, attempt.stderr]).toEqual([undefined, asNobody ? expect.stringContaining('open: Permission denied') : '']);
    },
  );

  it('does not stop the writer by locks on the index that it opened while everybody could', async () => {
    await makeOpenLog();
    // Of the index these bytes are locks (SQLite, walindex.html, section 2.3.1): writer, checkpointer, recovery, readers, and its user.
    for (const byte of [120, 121, 122, 123, 124, 128]) await lockedByAnother(join(log, 'log.sqlite-shm'), byte);
    store = await openStore(log, { busyLimitMs: 50 });
    for (let call = 2; call < 10; call++) expect(await store.append([fresh('a', call)])).toMatchObject([{ outcome: 'appended' }]);
  });

  it('that took a lock on the lock file while everybody could open it is named', async () => {
    await makeOpenLog();
    // The pending byte of SQLite's rollback mode (lockingv3.html).
    await lockedByAnother(join(log, 'log.lock'), 0x40000000);
    await expect(openStore(log)).rejects.toThrow(`log.lock (process ${children[0]!.pid}, reading)`);
    children[0]!.kill('SIGKILL');
    await once(children[0]!, 'exit');
    store = await openStore(log);
  });
});

describe('a process of the same user', () => {
  it.each(['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'])(
    'may make checkpoints (%s) by hand while the log is written and read',
    { timeout: LIMIT_MS },
    async (mode) => {
      store = await openStore(log, { checkpointPages: 16, busyLimitMs: LIMIT_MS });
      const child = await bystander('checkpoints', mode);
      let revision = NO_STREAM;
      const progress = { calls: 0, checkpoints: 0 };
      child.on('message', () => progress.checkpoints++);
      for (; progress.calls < 50 || progress.checkpoints < 50; progress.calls++) {
        const results = await store.append([fresh('a', revision, 5)]);
        expect(results).toMatchObject([{ outcome: 'appended' }]);
        revision += 5;
        for await (const { events } of store.readAll({ limit: 10 })) expect(events.length).toBeGreaterThan(0);
      }
      child.kill('SIGKILL');
      await once(child, 'exit');
      await store.close();
      store = await openStore(log);
      expect((await store.head()).position).toBe(revision + 1);
    },
  );

  it('may keep the log locked for a while, and what is appended meanwhile is answered afterwards', { timeout: LIMIT_MS }, async () => {
    store = await openStore(log, { busyLimitMs: LIMIT_MS });
    const child = await bystander('lock');
    const appended = store.append([fresh('a', NO_STREAM)]);
    child.send('enough');
    expect(await appended).toMatchObject([{ outcome: 'appended' }]);
  });

  it('that keeps it locked for longer than the limit ends it, and is named', async () => {
    store = await openStore(log, { busyLimitMs: 50 });
    const child = await bystander('lock');
    await expect(store.append([fresh('a', NO_STREAM)])).rejects.toThrow(
      new RegExp(`another process has kept .*log\\.sqlite locked for 50 ms \\(process ${child.pid}, writing`),
    );
  });
});
