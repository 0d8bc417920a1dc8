import type { CommandLine } from '@nva/codec';
import type { LocalAttachment } from './local-attachments.ts';

/** Commands for one statement, at most; each detaches up to 1,000 tenant systems. */
const MAX_ROUNDS = 1_000;

/** The NVA's answer to a `keepOnly`, over Kafka (`CommandOutcome`) or REST. */
export interface WholeSetOutcome {
  /** Status of the answer; over REST, of the response. */
  readonly status: number;
  readonly done?: number | null;
  readonly remaining?: number | null;
  readonly code?: string | null;
  readonly detail?: string | null;
}

/** How the command goes to the NVA: `KafkaCommands.send`, or a `PUT /v1/nves/{nveId}/tenant-systems` with the fields of the line. */
export type SendWholeSet = (line: CommandLine) => Promise<WholeSetOutcome>;

/** The NVA refused the statement, or could not carry it out completely. What it has done stays done; `code` says why it stopped. */
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

/** The command that states all tenant systems that the NVE has. */
export function wholeSetLine(nveId: string, incarnation: number, hosted: Iterable<LocalAttachment>): CommandLine {
  const tenantSystems = [...hosted].map(({ tsId, tenantId }) => ({ tsId, ...(tenantId === undefined ? {} : { tenantId }) }));
  return { command: 'keepOnly', nveId, incarnation, tenantSystems };
}

/**
 * Repeats the statement until no other tenant system is left at the NVE; resolves with the number of detached ones. Every command
 * is bounded, so a device with many tenant systems sends several. Throws WholeSetRefused, and what `send` throws.
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
