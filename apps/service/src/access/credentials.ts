import { statSync, type BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Clock, Logger } from '@nva/ports';
import type { Caller } from '@nva/registrar';
import { CommandKeys } from './command-keys.ts';
import type { NvaConfig } from '../config/config.ts';
import { changesOf, type Loaded } from './credential-changes.ts';
import { readPeerToken } from '../config/kafka-config.ts';
import { Tokens } from './tokens.ts';

/** How often the files are checked. */
const POLL_MS = 1_000;

/**
 * The callers that TOKENS_FILE, COMMAND_KEYS_FILE and PEER_TOKEN_FILE admit at present. The files are checked every second. They
 * are read again when one of them has another time, size or inode (editors and secret stores replace files), or on request
 * (SIGHUP). If the files are unusable, or would leave no caller, nothing changes: the credentials that were read last stay in
 * force, and metrics and log report it.
 */
export class Credentials {
  readonly counters = { errors: 0 };
  readonly #config: NvaConfig;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners = new Set<() => void>();
  #loaded: Loaded;
  #seen: string;
  #version = 0;
  #loadedAtMs: number;
  #wrong = false;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  /** Throws ConfigError if the content of the files is unusable. */
  constructor(config: NvaConfig, clock: Clock, logger: Logger) {
    this.#config = config;
    this.#clock = clock;
    this.#logger = logger;
    // Checked before they are read, so that a change in between is found at the next check.
    this.#seen = filesOf(config).map(firstIdentityOf).join('\n');
    this.#loaded = load(config);
    this.#loadedAtMs = clock.wallMs();
  }

  get keys(): CommandKeys | null {
    return this.#loaded.keys;
  }

  get peerAuthorization(): string | undefined {
    return this.#loaded.peerAuthorization;
  }

  /** Another number after each change of the credentials. */
  get version(): number {
    return this.#version;
  }

  /** Seconds since the epoch. */
  get loadedAtS(): number {
    return this.#loadedAtMs / 1_000;
  }

  /** Whether the files differ from the credentials in force. */
  get wrong(): boolean {
    return this.#wrong;
  }

  /** Throws what `Tokens.callerOf` throws. */
  callerOf(authorization: string | undefined, host: string | undefined): Caller {
    return this.#loaded.tokens.callerOf(authorization, host);
  }

  /** Calls the listener after each change; the returned function removes the listener. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Begins to check the files. */
  watch(): void {
    if (filesOf(this.#config).length === 0) return;
    this.#timer = setInterval(() => void this.look(), POLL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Reads the files again if they have changed. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** Reads the files again, whether they have changed or not. */
  reload(): void {
    try {
      const next = load(this.#config);
      const changes = changesOf(this.#loaded, next);
      this.#loaded = next;
      this.#loadedAtMs = this.#clock.wallMs();
      this.#wrong = false;
      this.#version++;
      this.#logger.info('tokens and keys were read again', { ...changes });
    } catch (error) {
      this.counters.errors++;
      this.#wrong = true;
      return this.#logger.error('tokens and keys could not be read again; those of before stay in force', { err: error });
    }
    for (const listener of this.#listeners) listener();
  }

  async #look(): Promise<void> {
    const seen = (await Promise.all(filesOf(this.#config).map(identityOf))).join('\n');
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.reload();
  }
}

function load({ tokensFile, kafkaCommands, commandKeysFile, kafkaAcls }: NvaConfig): Loaded {
  const tokens = tokensFile ? Tokens.read(tokensFile) : Tokens.none();
  return {
    tokens,
    keys: kafkaCommands ? CommandKeys.read(commandKeysFile!, tokens) : null,
    peerAuthorization: kafkaAcls?.tokenFile ? readPeerToken(kafkaAcls.tokenFile) : undefined,
  };
}

const filesOf = ({ tokensFile, kafkaCommands, commandKeysFile, kafkaAcls }: NvaConfig): string[] =>
  [tokensFile, kafkaCommands ? commandKeysFile : null, kafkaAcls?.tokenFile ?? null].filter((file) => file !== null);

async function identityOf(file: string): Promise<string> {
  try {
    return identity(await stat(file, { bigint: true }));
  } catch (error) {
    return nothing(error);
  }
}

function firstIdentityOf(file: string): string {
  try {
    return identity(statSync(file, { bigint: true }));
  } catch (error) {
    return nothing(error);
  }
}

const identity = ({ mtimeNs, ctimeNs, size, ino, dev }: BigIntStats): string => [mtimeNs, ctimeNs, size, ino, dev].join(' ');
const nothing = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unreadable';
