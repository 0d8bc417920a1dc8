import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { DEFAULT_PRINCIPAL, type KafkaSasl, type KafkaTls } from '@nva/kafka';
import { ConfigError, flag, integer, text, type Environment } from './config.ts';

const MECHANISMS = ['scram-sha-256', 'scram-sha-512', 'plain'];
/** A password or a PEM file, in bytes. */
const MAX_FILE_BYTES = 1_048_576;

/** NVEs' rights to read, kept on the brokers. */
export interface KafkaAcls {
  /** The principal as which an NVE logs in, `{nveId}` in place of its id. */
  readonly principal: string;
  /** From when an NVE was told that it left a VN until it may no longer read it, in seconds. */
  readonly graceS: number;
  /** NVEs may send commands over Kafka, whoever takes them there. */
  readonly commands: boolean;
  /** The token with which a distributor shows registrars that it may know what NVEs have applied; null where they want none. */
  readonly tokenFile: string | null;
}

/** Throws ConfigError at the first wrong value, which it never repeats where it may be a secret. */
export function readKafkaSecurity(env: Environment): { readonly sasl?: KafkaSasl; readonly tls?: KafkaTls } {
  const [sasl, tls] = [readSasl(env), readTls(env)];
  return { ...(sasl && { sasl }), ...(tls && { tls }) };
}

/** null without KAFKA_ACLS=true. Throws ConfigError. */
export function readKafkaAcls(env: Environment): KafkaAcls | null {
  const principal = text(
    env,
    'KAFKA_PRINCIPAL',
    DEFAULT_PRINCIPAL,
    /^[^\s:{}]+:[^{}]*\{nveId\}[^{}]*$/,
    'a type, a colon and a name with {nveId} in it once, such as User:{nveId}',
  );
  const graceS = integer(env, 'ACL_GRACE_S', 60, 1, 86_400);
  if (!flag(env, 'KAFKA_ACLS')) return null;
  const tokenFile = env['PEER_TOKEN_FILE'] ? resolve(env['PEER_TOKEN_FILE']) : null;
  if (tokenFile !== null) readPeerToken(tokenFile);
  return { principal, graceS, commands: flag(env, 'KAFKA_COMMANDS'), tokenFile };
}

/** An Authorization header with the token that is in the file. Throws ConfigError. */
export function readPeerToken(file: string): string {
  const token = contentOf('PEER_TOKEN_FILE', file).trim();
  if (!/^\S+$/.test(token))
    throw new ConfigError(`PEER_TOKEN_FILE: expected a file with an operator's token, got «${file}», which holds none`);
  return `Bearer ${token}`;
}

function readSasl(env: Environment): KafkaSasl | null {
  const mechanism = text(
    env,
    'KAFKA_SASL_MECHANISM',
    'scram-sha-256',
    new RegExp(`^(?:${MECHANISMS.join('|')})$`),
    `one of ${MECHANISMS.join(', ')}`,
  ) as KafkaSasl['mechanism'];
  const [username, given, file] = [env['KAFKA_SASL_USERNAME'], env['KAFKA_SASL_PASSWORD'], env['KAFKA_SASL_PASSWORD_FILE']];
  if (given !== undefined && file !== undefined)
    throw new ConfigError('KAFKA_SASL_PASSWORD_FILE: expected either it or KAFKA_SASL_PASSWORD, got both');
  const password = file === undefined ? given : contentOf('KAFKA_SASL_PASSWORD_FILE', file).replace(/\r?\n$/, '');
  if (!username && password === undefined) return null;
  if (!username) throw new ConfigError('KAFKA_SASL_USERNAME: expected the name that goes with the password, got nothing');
  if (!password)
    throw new ConfigError(
      'KAFKA_SASL_PASSWORD: expected the password that goes with KAFKA_SASL_USERNAME, or a file with it in KAFKA_SASL_PASSWORD_FILE, got nothing',
    );
  return { mechanism, username, password };
}

function readTls(env: Environment): KafkaTls | null {
  const tls = flag(env, 'KAFKA_TLS');
  const [ca, cert, key] = ['CA', 'CERT', 'KEY'].map((what) => {
    const [name, file] = [`KAFKA_TLS_${what}_FILE`, env[`KAFKA_TLS_${what}_FILE`]];
    if (!file) return undefined;
    if (!tls) throw new ConfigError(`${name}: expected KAFKA_TLS=true beside it, got «${file}»`);
    const pem = contentOf(name, file);
    if (!pem.includes('-----BEGIN ')) throw new ConfigError(`${name}: expected a PEM file, got «${file}»`);
    return pem;
  });
  if ((cert === undefined) !== (key === undefined))
    throw new ConfigError(`KAFKA_TLS_${cert ? 'KEY' : 'CERT'}_FILE: expected a certificate and its key, or neither, got one`);
  return tls ? { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } : null;
}

function contentOf(name: string, file: string): string {
  try {
    const content = readFileSync(resolve(file), 'utf8');
    if (content.length > MAX_FILE_BYTES) throw new Error(`it is longer than ${MAX_FILE_BYTES} bytes`);
    return content;
  } catch (cause) {
    throw new ConfigError(`${name}: expected a file that can be read, got «${file}»: ${(cause as Error).message}`, { cause });
  }
}
