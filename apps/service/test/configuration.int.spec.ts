import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '@nva/ports';
import { ConfigError, createService, readConfig, ROLES } from '../src/index.ts';
import { Tokens } from '../src/access/tokens.ts';
import { temporaryDirectory, type Environment } from './support.ts';

const HASH = 'a'.repeat(64);
const ALL = Array.from({ length: 64 }, (_, shard) => shard);

describe('the environment', () => {
  it('needs nothing: loopback, port 3000, ./data, feeds in process', () => {
    expect(readConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 3_000,
      dataDir: join(process.cwd(), 'data'),
      kafkaBrokers: [],
      distributorShards: ALL,
      feedPrefix: 'nvo3',
      feedAdopt: false,
      tokensFile: null,
    });
  });

  it('is read with what it says', () => {
    const given = {
      HOST: '::1',
      PORT: '0',
      DATA_DIR: '/tmp/x',
      KAFKA_BROKERS: 'a:9092, [::1]:9093',
      FEED_PREFIX: 'lab',
      FEED_ADOPT: 'true',
      LOG_LEVEL: 'warn',
      RATE_LIMIT_PER_S: '7',
    };
    expect(readConfig(given)).toMatchObject({
      host: '::1',
      port: 0,
      dataDir: '/tmp/x',
      kafkaBrokers: ['a:9092', '[::1]:9093'],
      feedPrefix: 'lab',
      feedAdopt: true,
      logLevel: 'warn',
      rateLimitPerS: 7,
    });
  });

  it.each<[Environment]>([
    [{ PORT: 'http' }],
    [{ PORT: '65536' }],
    [{ PORT: '-1' }],
    [{ PORT: '' }],
    [{ HOST: 'a b' }],
    [{ DATA_DIR: '' }],
    [{ KAFKA_BROKERS: 'localhost' }],
    [{ KAFKA_BROKERS: 'a:1,,b:2' }],
    [{ DISTRIBUTOR_SHARDS: '' }],
    [{ DISTRIBUTOR_SHARDS: '64' }],
    [{ DISTRIBUTOR_SHARDS: '31-0' }],
    [{ DISTRIBUTOR_SHARDS: '0-' }],
    [{ DISTRIBUTOR_SHARDS: '0,,1' }],
    [{ DISTRIBUTOR_SHARDS: '-1' }],
    [{ DISTRIBUTOR_SHARDS: 'all' }],
    [{ DISTRIBUTOR_SHARDS: '0-5,5' }],
    [{ DISTRIBUTOR_SHARDS: '0-62' }],
    [{ FEED_PREFIX: 'a/b' }],
    [{ KAFKA_ACLS: 'yes' }],
    [{ KAFKA_ACLS: 'true' }],
    [{ KAFKA_PRINCIPAL: 'User:nve' }],
    [{ KAFKA_PRINCIPAL: '{nveId}' }],
    [{ KAFKA_PRINCIPAL: 'User:{nveId}{nveId}' }],
    [{ ACL_GRACE_S: '0' }],
    [{ KAFKA_SASL_MECHANISM: 'gssapi' }],
    [{ KAFKA_TLS: '1' }],
    [{ KAFKA_TLS_CA_FILE: '/etc/ca.pem' }],
    [{ KAFKA_TLS_CA_FILE: '/nowhere/ca.pem', KAFKA_TLS: 'true' }],
    [{ KAFKA_TLS_CERT_FILE: '/dev/null', KAFKA_TLS: 'true' }],
    [{ KAFKA_SASL_PASSWORD_FILE: '/nowhere/password' }],
    [{ FEED_ADOPT: 'yes' }],
    [{ FEED_CHECK_EVERY_S: '0' }],
    [{ FEED_CHECK_EVERY_S: '3601' }],
    [{ LOG_LEVEL: 'loud' }],
    [{ RATE_LIMIT_PER_S: '0' }],
    [{ RATE_LIMIT_PER_S: '1e3' }],
    [{ EVENTSTORE_URL: 'localhost:2113' }],
    [{ EVENTSTORE_PREFIX: 'a b-', EVENTSTORE_URL: 'esdb://localhost:2113' }],
    [{ EVENTSTORE_PREFIX: 'nvo3', EVENTSTORE_URL: 'esdb://localhost:2113' }],
    [{ EVENTSTORE_PREFIX: 'a-b-', EVENTSTORE_URL: 'esdb://localhost:2113' }],
  ])('with a wrong value is refused by name, with what was expected and given: %j', (env) => {
    const [[name, value]] = Object.entries(env) as [[string, string]];
    const refusal = errorOf(() => readConfig(env));
    expect(refusal).toBeInstanceOf(ConfigError);
    expect(refusal.message).toMatch(new RegExp(`^${name}: `));
    expect(refusal.message).toMatch(/expected .+, got /);
    expect(refusal.message).toContain(`«${value}»`);
  });

  it('with credentials in a wrong EVENTSTORE_URL does not repeat them', () => {
    expect(() => readConfig({ EVENTSTORE_URL: 'http://admin:changeit@localhost:2113' })).toThrow('got «http://…@localhost:2113»');
  });

  it.each<[string | undefined, number[]]>([
    [undefined, ALL],
    ['0-63', ALL],
    ['0-31', ALL.slice(0, 32)],
    ['0,5,32-63', [0, 5, ...ALL.slice(32)]],
    [' 7 , 3-4', [3, 4, 7]],
  ])('names shards as %s', (DISTRIBUTOR_SHARDS, shards) => {
    expect(readConfig({ DISTRIBUTOR_SHARDS, KAFKA_BROKERS: 'a:1' }).distributorShards).toEqual(shards);
  });

  it('says as whom and how brokers are reached, and who keeps the rights of NVEs', async () => {
    const directory = await temporaryDirectory();
    const file = async (name: string, content: string): Promise<string> => {
      await writeFile(`${directory.path}.${name}`, content);
      return `${directory.path}.${name}`;
    };
    const pem = '-----BEGIN CERTIFICATE-----\n';
    const [password, ca, cert, key] = [
      await file('password', 's3cret\n'),
      await file('ca', `${pem}a`),
      await file('cert', `${pem}b`),
      await file('key', `${pem}c`),
    ];
    expect(readConfig({})).toMatchObject({ kafkaSecurity: {}, kafkaAcls: null });
    expect(readConfig({ KAFKA_SASL_USERNAME: 'nva', KAFKA_SASL_PASSWORD: 'p' }).kafkaSecurity).toEqual({
      sasl: { mechanism: 'scram-sha-256', username: 'nva', password: 'p' },
    });
    const all = {
      KAFKA_SASL_USERNAME: 'nva',
      KAFKA_SASL_PASSWORD_FILE: password,
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_TLS: 'true',
      KAFKA_TLS_CA_FILE: ca,
      KAFKA_TLS_CERT_FILE: cert,
      KAFKA_TLS_KEY_FILE: key,
    };
    expect(readConfig(all).kafkaSecurity).toEqual({
      sasl: { mechanism: 'scram-sha-512', username: 'nva', password: 's3cret' },
      tls: { ca: `${pem}a`, cert: `${pem}b`, key: `${pem}c` },
    });
    expect(readConfig({ KAFKA_TLS: 'true' }).kafkaSecurity).toEqual({ tls: {} });
    expect(readConfig({ KAFKA_BROKERS: 'a:1', KAFKA_ACLS: 'true' }).kafkaAcls).toEqual({
      principal: 'User:{nveId}',
      graceS: 60,
      commands: false,
      tokenFile: null,
    });
    expect(
      readConfig({ KAFKA_BROKERS: 'a:1', KAFKA_ACLS: 'true', KAFKA_PRINCIPAL: 'User:CN={nveId},O=lab', ACL_GRACE_S: '5' }).kafkaAcls,
    ).toEqual({ principal: 'User:CN={nveId},O=lab', graceS: 5, commands: false, tokenFile: null });
    await writeFile(password, 'operators-token\n');
    expect(readConfig({ KAFKA_BROKERS: 'a:1', KAFKA_ACLS: 'true', PEER_TOKEN_FILE: password }).kafkaAcls).toMatchObject({
      tokenFile: password,
    });
    await writeFile(password, '\n');
    expect(() => readConfig({ KAFKA_BROKERS: 'a:1', KAFKA_ACLS: 'true', PEER_TOKEN_FILE: password })).toThrow(
      /^PEER_TOKEN_FILE: expected a file with an operator's token, got /,
    );
    // A distributor takes no commands, and gives the rights to send them.
    expect(
      readConfig({ EVENTSTORE_URL: 'esdb://a:1', KAFKA_BROKERS: 'a:1', KAFKA_ACLS: 'true', KAFKA_COMMANDS: 'true' }, ['distributor']),
    ).toMatchObject({ kafkaCommands: false, kafkaAcls: { commands: true } });
    await Promise.all([password, ca, cert, key].map((path) => rm(path)));
    await directory.remove();
  });

  it.each<[Environment, RegExp]>([
    [{ KAFKA_SASL_PASSWORD: 's3cret' }, /^KAFKA_SASL_USERNAME: expected/],
    [{ KAFKA_SASL_USERNAME: 'nva' }, /^KAFKA_SASL_PASSWORD: expected/],
    [
      { KAFKA_SASL_USERNAME: 'nva', KAFKA_SASL_PASSWORD: 's3cret', KAFKA_SASL_PASSWORD_FILE: '/x' },
      /^KAFKA_SASL_PASSWORD_FILE: expected either/,
    ],
  ])('with half of a login is refused, and no secret is repeated: %j', (env, message) => {
    expect(() => readConfig(env)).toThrow(message);
    expect(errorOf(() => readConfig(env)).message).not.toContain('s3cret');
  });

  it('names all shards where the feeds are in process: no other process could publish the rest', () => {
    expect(readConfig({ DISTRIBUTOR_SHARDS: '32-63,0-31' }).distributorShards).toEqual(ALL);
    expect(() => readConfig({ DISTRIBUTOR_SHARDS: '0-31' })).toThrow(
      /^DISTRIBUTOR_SHARDS: expected 0-63, or nothing, .*KAFKA_BROKERS.*, got «0-31»$/,
    );
    expect(readConfig({ DISTRIBUTOR_SHARDS: '0-31', EVENTSTORE_URL: 'esdb://127.0.0.1:2113' }, ['admin']).distributorShards).toEqual(
      ALL.slice(0, 32),
    );
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', 'nva.example'])('without tokens does not listen on %s', (HOST) => {
    expect(() => readConfig({ HOST })).toThrow(/^HOST: .*TOKENS_FILE/);
    expect(readConfig({ HOST, TOKENS_FILE: 'tokens.json' })).toMatchObject({ host: HOST });
  });
});

describe('the tokens file', () => {
  it.each([
    ['is no JSON', '{', /cannot be read as JSON/],
    ['is no object', '[]', /expected an object/],
    ['has no tokens', '{}', /nobody could call/],
    ['has operators that are no list', '{"operators": {}}', /operators is a list/],
    ['has a token in clear', '{"operators": [{"name": "alice", "sha256": "secret"}]}', /sha256 is 64 lower-case hex digits/],
    ['has an operator without a name', `{"operators": [{"sha256": "${HASH}"}]}`, /operator's name/],
    ['has an NVE with a malformed id', `{"nves": [{"nveId": "a b", "sha256": "${HASH}"}]}`, /nveId is 1 to 100/],
    ['has tenants that are no list', `{"nves": [{"nveId": "a", "tenants": "red", "sha256": "${HASH}"}]}`, /tenants is a list/],
    [
      'has NVEs that differ in . and _ only',
      `{"nves": [{"nveId": "leaf.1", "sha256": "${HASH}"}, {"nveId": "leaf_1", "sha256": "${'b'.repeat(64)}"}]}`,
      /NVEs leaf\.1 and leaf_1 differ in \. and _ only/,
    ],
    [
      'has one token twice',
      `{"operators": [{"name": "a", "sha256": "${HASH}"}], "nves": [{"nveId": "b", "sha256": "${HASH}"}]}`,
      /two entries have one token/,
    ],
  ])('that %s stops the start, before anything is written', async (_, content, message) => {
    const directory = await temporaryDirectory();
    const file = `${directory.path}.json`;
    await writeFile(file, content);
    const config = readConfig({ PORT: '0', DATA_DIR: directory.path, TOKENS_FILE: file });
    await expect(createService(config, ROLES, { logger: silentLogger, failed: () => {} })).rejects.toThrow(message);
    await expect(createService(config, ROLES, { logger: silentLogger, failed: () => {} })).rejects.toThrow(/^TOKENS_FILE: /);
    expect(existsSync(directory.path)).toBe(false);
    await directory.remove();
  });

  it('that is not there stops the start', () => {
    expect(() => Tokens.read('/nowhere/tokens.json')).toThrow(/^TOKENS_FILE: \/nowhere\/tokens.json cannot be read/);
  });
});

function errorOf(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was taken');
}
