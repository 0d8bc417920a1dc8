import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { freePort, tethered, until } from '@nva/processes';
import { root } from './files.ts';

/**
 * What stands for `npm run cluster` where documents are tried: one registrar and one admin over the stand-in of an event store, told as
 * the whole set is. That set is a minute of processor time; `test/cluster` starts it.
 */
const FLAGS = ['--disable-warning=TimeoutNegativeWarning'];
const directory = resolve('cluster');
const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  spawn(...tethered(process.execPath, [...FLAGS, ...args]), { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });

process.stdout.write(
  `Starting three brokers, three nodes of an event store, two registrars, two distributors and two admins; logs in ${directory}\n`,
);
const storePort = String(await freePort());
const store = start([
  '--conditions=source',
  join(root, 'test/eventstore/start.ts'),
  '--port',
  storePort,
  '--data',
  join(directory, 'store'),
]);
await once(store.stdout, 'data');
store.stdout.resume();
for (const service of ['registrar', 'admin']) {
  const port = String(await freePort());
  const url = `http://127.0.0.1:${port}`;
  const env = { HOST: '127.0.0.1', PORT: port, ADVERTISED_URL: url, EVENTSTORE_URL: `esdb://127.0.0.1:${storePort}?tls=false` };
  const one = start([join(root, `apps/${service}/dist/main.js`)], { ...env, DATA_DIR: join(directory, service) });
  one.stdout.resume();
  await until(`the ${service} is ready`, async () => {
    if (one.exitCode !== null) throw new Error(`it has ended with ${one.exitCode}`);
    const answer = await fetch(`${url}/readyz`).catch(() => null);
    await answer?.body?.cancel();
    return answer?.ok ? null : String(answer?.status ?? 'no answer');
  });
  process.stdout.write(`${`${service}-1`.padEnd(14)} ${url}  pid ${one.pid}\n`);
}
process.stdout.write('Ctrl-C ends it all\n');
