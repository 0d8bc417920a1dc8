import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { KafkaSasl, KafkaTls } from '@nva/kafka';
import { ConfigError, file, flag, given, integer, refused, text, type Environment } from './environment.ts';
import type { NameOf } from './variables.ts';

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
  const principal = text(env, 'KAFKA_PRINCIPAL');
  const graceS = integer(env, 'ACL_GRACE_S');
  if (!flag(env, 'KAFKA_ACLS')) return null;
  const tokenFile = file(env, 'PEER_TOKEN_FILE');
  if (tokenFile !== null) readPeerToken(tokenFile);
  return { principal, graceS, commands: flag(env, 'KAFKA_COMMANDS'), tokenFile };
}

/** An Authorization header with the token that is in the file. Throws ConfigError. */
export function readPeerToken(path: string): string {
  const token = contentOf('PEER_TOKEN_FILE', path).trim();
  if (!/^\S+$/.test(token)) throw new ConfigError(`${refused('PEER_TOKEN_FILE', { got: path }).message}, which holds none`);
  return `Bearer ${token}`;
}

function readSasl(env: Environment): KafkaSasl | null {
  const mechanism = text(env, 'KAFKA_SASL_MECHANISM') as KafkaSasl['mechanism'];
  const [username, inClear, path] = [
    given(env, 'KAFKA_SASL_USERNAME'),
    given(env, 'KAFKA_SASL_PASSWORD'),
    given(env, 'KAFKA_SASL_PASSWORD_FILE'),
  ];
  if (inClear !== undefined && path !== undefined)
    throw new ConfigError('KAFKA_SASL_PASSWORD_FILE: expected either it or KAFKA_SASL_PASSWORD, got both');
  const password = path === undefined ? inClear : contentOf('KAFKA_SASL_PASSWORD_FILE', path).replace(/\r?\n$/, '');
  if (!username && password === undefined) return null;
  if (!username) throw refused('KAFKA_SASL_USERNAME', { why: ', got nothing' });
  if (!password) throw refused('KAFKA_SASL_PASSWORD', { why: ', or a file with it in KAFKA_SASL_PASSWORD_FILE, got nothing' });
  return { mechanism, username, password };
}

function readTls(env: Environment): KafkaTls | null {
  const tls = flag(env, 'KAFKA_TLS');
  const [ca, cert, key] = (['KAFKA_TLS_CA_FILE', 'KAFKA_TLS_CERT_FILE', 'KAFKA_TLS_KEY_FILE'] as const).map((name) => {
    const path = given(env, name);
    if (!path) return undefined;
    if (!tls) throw new ConfigError(`${name}: expected KAFKA_TLS=true beside it, got «${path}»`);
    const pem = contentOf(name, path);
    if (!pem.includes('-----BEGIN ')) throw refused(name, { got: path });
    return pem;
  });
  if ((cert === undefined) !== (key === undefined))
    throw new ConfigError(`KAFKA_TLS_${cert ? 'KEY' : 'CERT'}_FILE: expected a certificate and its key, or neither, got one`);
  return tls ? { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } : null;
}

function contentOf(name: NameOf<'file'>, path: string): string {
  try {
    const content = readFileSync(resolve(path), 'utf8');
    if (content.length > MAX_FILE_BYTES) throw new Error(`it is longer than ${MAX_FILE_BYTES} bytes`);
    return content;
  } catch (cause) {
    throw new ConfigError(`${name}: expected a file that can be read, got «${path}»: ${(cause as Error).message}`, { cause });
  }
}
