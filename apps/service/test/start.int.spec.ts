import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '@nva/ports';
import { ConfigError, createService, readConfig, ROLES } from '../src/index.ts';
import { startNva, temporaryDirectory, type Environment, type NvaFixture } from './support.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let nva: NvaFixture;

beforeEach(async () => {
  directory = await temporaryDirectory();
  nva = await startNva();
});

afterEach(async () => {
  await nva.stop();
  await directory.remove();
});

const start = (env: Environment) =>
  createService(readConfig({ PORT: '0', DATA_DIR: directory.path, ...env }), ROLES, { logger: silentLogger, failed: () => {} });

describe('a start that cannot be', () => {
  it('with a DATA_DIR that is a file says so, by name', async () => {
    const file = join(dirname(directory.path), 'file');
    await writeFile(file, 'no directory');
    const refusal = start({ DATA_DIR: file });
    await expect(refusal).rejects.toBeInstanceOf(ConfigError);
    await expect(refusal).rejects.toThrow(/^DATA_DIR: expected a directory/);
  });

  it('on a port that is taken says so, by name, and leaves the log to the next', async () => {
    const { port } = new URL(nva.url);
    await expect(start({ PORT: port })).rejects.toThrow(
      new RegExp(`^HOST, PORT: expected an address to listen on, got «127.0.0.1» and «${port}»`),
    );
    const server = await start({});
    await server.close();
  });

  it('on the log of another that runs is refused, and disturbs neither', async () => {
    await expect(start({ DATA_DIR: nva.dataDir })).rejects.toThrow(/is open in another store/);
    await nva.http.get('/readyz').expect(200);
  });

  it.each(['kafka:0', 'kafka:65536', 'kafka:99999'])('with the broker %s is refused', (broker) => {
    expect(() => readConfig({ KAFKA_BROKERS: broker })).toThrow(/^KAFKA_BROKERS: expected host:port/);
  });
});
