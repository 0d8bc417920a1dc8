import type { LineResult } from '../api/answers.ts';
import { Refused, type NvaClient } from '../api/client.ts';
import { EXIT, Failure } from '../exit-codes.ts';
import type { Step } from './plan.ts';

/** So many commands are sent at once; after them a Ctrl-C is heeded. */
const BATCH = 64;

export type Outcome = 'done' | 'not effective' | 'refused' | 'unknown' | 'not tried';

export interface StepResult {
  readonly step: Step;
  readonly outcome: Outcome;
  readonly result: LineResult | null;
}

export interface CarriedOut {
  /** One for each step, in their order. */
  readonly results: readonly StepResult[];
  /** What ended it before the last step. */
  readonly failure: Failure | null;
}

/**
 * Gives the commands of a plan in its order, in batches. What is refused does not stop the rest. When `signal` is aborted, the batch
 * that is under way is waited for and no other is begun, so that the outcome of every command is known.
 */
export async function carryOut(
  client: Pick<NvaClient, 'lines'>,
  steps: readonly Step[],
  signal: AbortSignal,
  told: (result: StepResult) => void,
): Promise<CarriedOut> {
  const results: StepResult[] = [];
  const never = new AbortController();
  let failure: Failure | null = null;
  const record = (result: StepResult): void => {
    results.push(result);
    told(result);
  };
  while (results.length < steps.length && failure === null && !signal.aborted) {
    const batch = steps.slice(results.length, results.length + BATCH);
    let answered = 0;
    try {
      for await (const line of client.lines(batch.map((step) => `${JSON.stringify(step.line)}\n`).join(''), never.signal)) {
        const step = batch[answered];
        if (!step) throw new Failure(EXIT.unreachable, 'the NVA gave more answers than it had commands');
        record(resultOf(step, line));
        answered++;
      }
      if (answered < batch.length) throw new Failure(EXIT.unreachable, 'the NVA ended its answer too early');
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failure = error;
      // A refusal of the whole request comes before its first line; after anything else, what was sent may be done or not.
      const outcome = error instanceof Refused ? 'not tried' : 'unknown';
      for (const step of batch.slice(answered)) record({ step, outcome, result: null });
    }
  }
  for (const step of steps.slice(results.length)) results.push({ step, outcome: 'not tried', result: null });
  return { results, failure: failure ?? (signal.aborted ? new Failure(EXIT.interrupted, 'interrupted') : null) };
}

function resultOf(step: Step, line: string): StepResult {
  let result: LineResult | null;
  try {
    result = JSON.parse(line) as LineResult | null;
  } catch (cause) {
    throw new Failure(EXIT.unreachable, 'the NVA answered with a line that is not JSON', { cause });
  }
  if (typeof result?.status !== 'number') throw new Failure(EXIT.unreachable, 'the NVA answered with a line that has no status');
  if (result.code === 'outcome-unknown') return { step, outcome: 'unknown', result };
  if (result.status >= 300) return { step, outcome: 'refused', result };
  return { step, outcome: result.effective === false ? 'not effective' : 'done', result };
}
