import { readFileSync } from 'node:fs';
import {
  formatAddCheckpoint,
  Malformed,
  parseCheckpoint,
  parseNote,
  readCosignatures,
  SignatureRefused,
  type NoteSignature,
  type TreeFile,
  type Verifier,
} from '@nva/transparency';
import type { Clock, Logger } from '@nva/ports';
import { cosignerOf, type WitnessConfig } from '../config/witnesses-file.ts';
import type { WitnessStatus } from './status.ts';

/** For one request to a witness, and for a round of them all: the next checkpoint waits no longer. */
const ROUND_LIMIT_MS = 5_000;
/** A witness that failed is asked again after this time, twice as long each time, up to the longest. */
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;
const MAX_ANSWER_BYTES = 65_536;

interface Asked {
  readonly config: WitnessConfig;
  readonly url: string;
  readonly key: Verifier;
  /** Leaves of the last checkpoint of ours that it has, as far as is known. */
  size: number;
  cosigned: number;
  cosignatures: number;
  failures: number;
  failuresInARow: number;
  notBeforeMs: number;
  /** What was told of it last, so that it is told once. */
  trouble: string | null;
}

export interface RoundsOptions {
  readonly witnesses: readonly WitnessConfig[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** A witness says that this log is not the one that it has cosigned. */
  readonly forked: () => void;
}

/** A witness has another log, under this key. */
class WitnessForked extends Error {}

/** Asks the witnesses for their cosignatures. Each is asked once at a time. */
export class WitnessRounds {
  readonly #options: RoundsOptions;
  readonly #asked: readonly Asked[];
  readonly #busy = new Set<Asked>();

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.#asked = options.witnesses.flatMap((config) =>
      config.url === null
        ? []
        : [
            {
              config,
              url: `${config.url}/add-checkpoint`,
              key: cosignerOf(config),
              size: 0,
              cosigned: 0,
              cosignatures: 0,
              failures: 0,
              failuresInARow: 0,
              notBeforeMs: 0,
              trouble: null,
            },
          ],
    );
  }

  get status(): readonly WitnessStatus[] {
    return this.#asked.map(({ config, cosigned: size, cosignatures, failures }) => ({ name: config.name, size, cosignatures, failures }));
  }

  /** Whether somebody is to be asked about a checkpoint of this size now. */
  isDue(size: number): boolean {
    return this.#due(size).length > 0;
  }

  /** The cosignatures that come in time. Never rejects. `signal` ends it. */
  async ask(tree: TreeFile, note: string, signal: AbortSignal): Promise<readonly NoteSignature[]> {
    const { size } = parseCheckpoint(parseNote(note).text);
    const found: NoteSignature[] = [];
    const { clock } = this.#options;
    const all = Promise.all(
      this.#due(size).map(async (witness) => {
        this.#busy.add(witness);
        found.push(...(await this.#one(witness, tree, note, size, signal)));
        this.#busy.delete(witness);
      }),
    );
    let callOff = (): void => undefined;
    const limit = new Promise<void>((resolve) => (callOff = clock.after(ROUND_LIMIT_MS, resolve, { background: true })));
    await Promise.race([all, limit]);
    callOff();
    return [...found];
  }

  #due(size: number): readonly Asked[] {
    const nowMs = this.#options.clock.monotonicMs();
    return this.#asked.filter((one) => one.cosigned < size && one.notBeforeMs <= nowMs && !this.#busy.has(one));
  }

  async #one(witness: Asked, tree: TreeFile, note: string, size: number, signal: AbortSignal): Promise<readonly NoteSignature[]> {
    const { logger, clock, forked } = this.#options;
    const { name } = witness.config;
    try {
      const signatures = await asked(witness, tree, note, size, signal);
      if (witness.trouble !== null) logger.info('a witness cosigns again', { witness: name });
      Object.assign(witness, { failuresInARow: 0, notBeforeMs: 0, trouble: null, cosigned: size, size });
      witness.cosignatures++;
      return signatures;
    } catch (error) {
      if (signal.aborted) return [];
      witness.failures++;
      witness.notBeforeMs = clock.monotonicMs() + Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** witness.failuresInARow++);
      const why = (error as Error).message;
      // What follows the colon may be another each time.
      const trouble = why.split(':')[0]!;
      if (witness.trouble !== trouble) {
        witness.trouble = trouble;
        if (error instanceof WitnessForked) {
          forked();
          logger.error('a witness refuses to cosign: it has another log under this key. The log was changed, or the key is used twice', {
            witness: name,
            size,
            why,
          });
        } else logger.warn('a witness does not cosign; it is asked again', { witness: name, why });
      }
      return [];
    }
  }
}

async function asked(witness: Asked, tree: TreeFile, note: string, size: number, signal: AbortSignal): Promise<readonly NoteSignature[]> {
  for (let tries = 0; tries < 2; tries++) {
    const oldSize = witness.size;
    const proof = oldSize === 0 ? [] : tree.consistencyProof(oldSize, size);
    const { status, text } = await post(witness, formatAddCheckpoint({ oldSize, proof, note }), signal);
    if (status === 200) return verified(witness, note, text);
    if (status === 422) throw new WitnessForked(`it answers 422 to a proof from ${oldSize} to ${size} leaves: ${text}`);
    if (status !== 409) throw new Error(`it answers ${status}: ${text}`);
    const has = /^(0|[1-9]\d{0,15})\n$/.exec(text)?.[1];
    if (has === undefined) throw new Error(`it answers 409 without a size: ${text}`);
    if (Number(has) === oldSize && oldSize === size) throw new WitnessForked(`it has cosigned another tree of ${has} leaves`);
    // A witness that keeps one checkpoint for all admins of a log may have that of another one.
    if (Number(has) > size) throw new Error(`it has cosigned a tree of ${has} leaves already, and this one has ${size}`);
    witness.size = Number(has);
  }
  throw new Error('its last checkpoint is another at every request');
}

function verified(witness: Asked, note: string, text: string): readonly NoteSignature[] {
  try {
    return readCosignatures(parseNote(note).text, text, witness.key);
  } catch (error) {
    if (error instanceof Malformed || error instanceof SignatureRefused)
      throw new Error(`its cosignature is not of its key: ${error.message}`, { cause: error });
    throw error;
  }
}

async function post(
  { config, url }: Asked,
  body: string,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  const token = config.tokenFile === null ? null : readFileSync(config.tokenFile, 'utf8').trim();
  const response = await fetch(url, {
    method: 'POST',
    body,
    redirect: 'error',
    headers: { 'content-type': 'text/plain', ...(token !== null && { authorization: `Bearer ${token}` }) },
    signal: AbortSignal.any([signal, AbortSignal.timeout(ROUND_LIMIT_MS)]),
  });
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    if (text.length > MAX_ANSWER_BYTES) throw new Error(`its answer is longer than ${MAX_ANSWER_BYTES} bytes`);
  }
  return { status: response.status, text };
}
