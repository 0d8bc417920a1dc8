import type { CommandLine } from '@nva/codec';
import type { LocalAttachment } from './local-attachments.ts';

/** Commands that one word takes at most: each detaches up to 1,000. */
const MAX_ROUNDS = 1_000;

/** What the NVA answers to a `keepOnly`, over Kafka (`CommandOutcome`) or REST. */
export interface WholeSetOutcome {
  /** Of the answer; over REST that of the response. */
  readonly status: number;
  readonly done?: number | null;
  readonly remaining?: number | null;
  readonly code?: string | null;
  readonly detail?: string | null;
}

/** How the command goes to the NVA: `KafkaCommands.send`, or a `PUT /v1/nves/{nveId}/tenant-systems` with the fields of the line. */
export type SendWholeSet = (line: CommandLine) => Promise<WholeSetOutcome>;

/** The NVA did not take the word, or could not carry it out whole. What it did stays done; `code` says why. */
export class WholeSetRefused extends Error {
  override readonly name = 'WholeSetRefused';
  readonly code: string | null;
  /** Tenant systems that were detached before. */
  readonly done: number;

  constructor(message: string, code: string | null, done: number) {
    super(message);
    this.code = code;
    this.done = done;
  }
}

/** The command that says: these are all that the NVE has. */
export function wholeSetLine(nveId: string, incarnation: number, hosted: Iterable<LocalAttachment>): CommandLine {
  const tenantSystems = [...hosted].map(({ tsId, tenantId }) => ({ tsId, ...(tenantId === undefined ? {} : { tenantId }) }));
  return { command: 'keepOnly', nveId, incarnation, tenantSystems };
}

/**
 * Says it until nothing is left at the NVE that is not among them; resolves with how many were detached. Every command is bounded,
 * so that a device with much behind it sends several. Throws WholeSetRefused, and what `send` throws.
 */
export async function sayWholeSet(line: CommandLine, send: SendWholeSet): Promise<number> {
  let all = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { status, done, remaining, code = null, detail } = await send(line);
    if (status >= 300)
      throw new WholeSetRefused(
        `the NVA refused the word on all that NVE ${String(line['nveId'])} has: ${code ?? status}, ${detail ?? ''}`,
        code,
        all,
      );
    all += done ?? 0;
    if (!remaining) return all;
    if (!done) throw new WholeSetRefused(`${remaining} tenant systems could not be detached from NVE ${String(line['nveId'])}`, null, all);
  }
  throw new WholeSetRefused(`after ${MAX_ROUNDS} commands something is still left at NVE ${String(line['nveId'])}`, null, all);
}
