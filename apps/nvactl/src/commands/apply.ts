import { csvFields, type CsvField } from '@nva/codec';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { interrupted, problemText } from '../api/client.ts';
import { carryOut, type CarriedOut, type Outcome, type StepResult } from '../apply/carry-out.ts';
import { readText } from '../apply/input.ts';
import { readManifest } from '../apply/manifest.ts';
import { planOf, type Plan } from '../apply/plan.ts';
import { readPresent } from '../apply/present.ts';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { jsonLine } from '../output/formats.ts';
import type { Paint } from '../output/paint.ts';
import { Progress } from '../output/progress.ts';
import { lines } from '../output/table.ts';
import { visible } from '../output/visible.ts';
import { Session } from '../session.ts';

interface Options {
  readonly file: readonly string[];
  readonly prune?: true;
  readonly tenant?: string;
  readonly yes?: true;
  readonly dryRun?: true;
}

export function addApply(program: Command, io: Io): void {
  program
    .command('apply')
    .summary('make the network what files say')
    .description(
      `Read VNs, NVEs and tenant systems from files, show what must be done to make them so, and do it. What the files do not name stays, unless --prune is given. A second apply of the same files does nothing. Ctrl-C waits for the commands that are under way, and tells what was done.

A file is YAML with the lists vns, nves and tenantSystems. Their items have the fields of PUT /v1/vns/{vnid}, PUT /v1/nves/{nveId}, and PUT /v1/nves/{nveId}/tenant-systems/{tsId}; a tenant system at several NVEs has attachments, a list of {nveId, state, logicalInterface}. What an item leaves out stays as it is.`,
    )
    .requiredOption(
      '-f, --file <file>',
      'a file of YAML or JSON, «-» for standard input; may be repeated',
      (file: string, before: string[] = []) => [...before, file],
    )
    .option('--dry-run', `only show what would be done; exits with ${EXIT.different} if there is anything`)
    .option('--prune', 'also remove what the files do not name, of each list that they have, after asking')
    .option('--tenant <id>', 'prune VNs and tenant systems of that tenant only, and no NVEs')
    .option('--yes', 'do not ask')
    .action((options: Options, command: Command) => apply(new Session(command, io), options));
}

async function apply(session: Session, { file, prune, tenant, yes, dryRun }: Options): Promise<void> {
  const { io, paint } = session;
  if (tenant !== undefined && !prune) throw wrongUsage('--tenant bounds what --prune removes');
  const files = [];
  for (const name of file) files.push({ name, text: await readText(name, io) });
  const manifest = readManifest(files);
  const present = await readPresent(session.client, manifest, prune === true);
  const plan = planOf(manifest, present, prune ? { ...(tenant !== undefined && { tenant }) } : null);

  if (!session.isData) await session.out(planText(plan, paint));
  if (plan.impossible.length > 0) {
    await showData(session, plan, null);
    throw new Failure(EXIT.refused, `nothing was done, for this cannot be: ${plan.impossible.join('; ')}`);
  }
  if (dryRun || plan.steps.length === 0) {
    await showData(session, plan, null);
    if (plan.steps.length > 0) throw new Failure(EXIT.different, `${plan.steps.length} to do`);
    return;
  }
  const removals = plan.steps.filter(({ action }) => PRUNED.has(action)).length;
  if (removals > 0 && !yes) await ask(io, `Remove ${removals} that the files do not name?`);

  const carried = await doIt(session, plan);
  await showData(session, plan, carried);
  if (!session.isData) await session.out(summaryText(carried, paint));
  const refused = carried.results.filter(({ outcome }) => outcome === 'refused').length;
  if (carried.failure)
    throw new Failure(carried.failure.exitCode, `${carried.failure.message}; ${told(carried)}`, { cause: carried.failure });
  if (refused > 0) throw new Failure(EXIT.refused, told(carried));
  if (carried.results.some(({ outcome }) => outcome === 'unknown')) throw new Failure(EXIT.unreachable, told(carried));
  if (carried.results.some(({ outcome }) => outcome === 'not effective')) throw new Failure(EXIT.notEffective, told(carried));
}

const PRUNED = new Set(['remove', 'delete', 'forget']);

async function doIt(session: Session, plan: Plan): Promise<CarriedOut> {
  using progress = new Progress(session.io, 'apply', plan.steps.length);
  let done = 0;
  progress.update(0);
  return carryOut(session.client, plan.steps, session.io.signal, () => progress.update(++done));
}

/** Throws a Failure unless the answer is yes. */
async function ask(io: Io, question: string): Promise<void> {
  if (io.stdin.isTTY !== true)
    throw wrongUsage('--prune asks, and there is nobody to ask: give --yes, or --dry-run to see what it would remove');
  using terminal = createInterface({ input: io.stdin as NodeJS.ReadStream, output: io.stderr as NodeJS.WriteStream, terminal: false });
  // At the end of the input there is no answer.
  const closed = new Promise<string>((resolve) => void terminal.once('close', () => resolve('')));
  let answer: string;
  try {
    answer = await Promise.race([terminal.question(`${question} [y/N] `, { signal: io.signal }), closed]);
  } catch {
    throw interrupted();
  }
  if (!/^(?:y|yes)$/i.test(answer.trim())) throw new Failure(EXIT.refused, 'nothing was done');
}

async function showData(session: Session, plan: Plan, carried: CarriedOut | null): Promise<void> {
  if (!session.isData) return;
  const results = carried?.results.map(({ outcome, result }) => ({ outcome, ...(result && { result }) }));
  const steps: readonly ShownStep[] = plan.steps.map((step, i) => ({ ...step, ...results?.[i] }));
  const { impossible } = plan;
  const value = { plan: steps, ...(impossible.length > 0 && { impossible }) };
  if (session.format === 'ndjson')
    return session.out([...steps, ...impossible.map((what) => ({ impossible: what }))].map(jsonLine).join(''));
  const objects = (): readonly string[] => [...new Set(steps.map(({ object }) => object))];
  await session.show(value, objects, () => '', { items: steps, fields: STEP_FIELDS });
}

type ShownStep = Plan['steps'][number] & Partial<Pick<CarriedOut['results'][number], 'outcome' | 'result'>>;
const STEP_FIELDS: readonly CsvField<ShownStep>[] = [
  ...csvFields<ShownStep>('action', 'object', 'what', 'outcome'),
  ...(['status', 'code', 'detail', 'position'] as const).map((name): CsvField<ShownStep> => [name, ({ result }) => result?.[name]]),
];

export function planText({ steps, impossible }: Plan, paint: Paint): string {
  if (steps.length === 0 && impossible.length === 0) return 'nothing to do\n';
  const signed = (sign: string) => (text: string) => paint.sign(sign, text);
  return (
    lines(
      steps.map(({ sign, action, object, what }) => [
        { text: sign, paint: signed(sign) },
        action,
        { text: object, paint: signed(sign) },
        what,
      ]),
    ) + impossible.map((what) => `${paint.bad(`! ${visible(what)}`)}\n`).join('')
  );
}

const MARKS: Readonly<Record<Outcome, string>> = { 'done': '✓', 'not effective': '!', 'refused': '✗', 'unknown': '?', 'not tried': '·' };

/** What did not go as planned, a line each, and how many did. */
export function summaryText({ results }: CarriedOut, paint: Paint): string {
  const painted: Readonly<Record<Outcome, (text: string) => string>> = {
    'done': paint.good,
    'not effective': paint.warn,
    'refused': paint.bad,
    'unknown': paint.warn,
    'not tried': paint.dim,
  };
  const troubles = results.filter(({ outcome }) => outcome !== 'done' && outcome !== 'not tried');
  const rows = troubles.map(({ step, outcome, result }) => [
    { text: MARKS[outcome], paint: painted[outcome] },
    step.action,
    step.object,
    outcome,
    why(result),
  ]);
  return `${lines(rows)}${told({ results })}\n`;
}

function why(result: StepResult['result']): string {
  if (!result) return 'its answer did not come';
  if (result.status >= 300) return problemText(result.status, result);
  return (result.conflicts ?? [])
    .map(({ vnid, address, heldBy }) => `${address} in VN ${vnid} is held by ${heldBy ?? 'somebody else'}`)
    .join(', ');
}

/** «12 of 40 done, 2 refused, 26 not tried». */
export function told({ results }: Pick<CarriedOut, 'results'>): string {
  const count = (of: Outcome): number => results.filter(({ outcome }) => outcome === of).length;
  const others = (['not effective', 'refused', 'unknown', 'not tried'] as const).filter((outcome) => count(outcome) > 0);
  return [`${count('done')} of ${results.length} done`, ...others.map((outcome) => `${count(outcome)} ${outcome}`)].join(', ');
}
