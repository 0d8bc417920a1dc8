import type { Mapping, VnContext, VnMember } from '@nva/codec';
import { checkTables, type Checked } from './checks.ts';
import { lookUp, type LookedUp } from './lookups.ts';
import type { TableDifference } from './nve-agent.ts';
import type { Step } from './scenario.ts';
import { Stage, type StageOptions } from './stage.ts';

/** A VN's table as one NVE has it. */
export interface TableView {
  readonly context: VnContext | null;
  readonly members: readonly VnMember[];
  readonly mappings: readonly Mapping[];
  /** NVEs that get a copy of each broadcast, unknown unicast or multicast frame (X3). */
  readonly replicationList: readonly string[];
}

/** A running NVE at the end of a step. */
export interface NveView {
  readonly nveId: string;
  readonly differences: readonly TableDifference[];
  /** By the name of the VN. */
  readonly tables: Readonly<Record<string, TableView>>;
}

/** The result of a step, as plain data. */
export interface StepOutcome {
  readonly number: number;
  readonly id: string;
  readonly title: string;
  readonly rows: string;
  readonly tells: string;
  /** The newest position in the answer to a write so far. */
  readonly position: number;
  readonly notes: readonly string[];
  readonly nves: readonly NveView[];
  readonly lookups: readonly LookedUp[];
  readonly checked: Checked;
  readonly elapsedMs: number;
}

/**
 * Plays steps on a running NVA, one after the other. After each step everything is compared before the outcome is yielded; the
 * first error ends the play with an exception. If the consumer stops, the play ends and closes its NVEs.
 */
export async function* play(steps: readonly Step[], options: StageOptions): AsyncGenerator<StepOutcome, void, undefined> {
  const stage = new Stage(options);
  try {
    for (const [index, step] of steps.entries()) {
      yield await playOne(step, index + 1, stage).catch((cause: Error) => {
        throw new Error(`Step ${index + 1}, «${step.title}»: ${cause.message}`, { cause });
      });
    }
  } finally {
    await stage.close();
  }
}

async function playOne(step: Step, number: number, stage: Stage): Promise<StepOutcome> {
  const begin = performance.now();
  await step.act(stage);
  const checked = await checkTables(stage);
  const lookups = (step.lookups ?? []).map((lookup) => lookUp(stage, lookup));
  const nves = stage.agents.map((agent): NveView => ({
    nveId: agent.nveId,
    differences: agent.takeDifferences(),
    tables: tablesOf(agent.nveId, stage),
  }));
  const { id, title, rows, tells } = step;
  return {
    number,
    id,
    title,
    rows,
    tells,
    position: stage.position,
    notes: stage.takeNotes(),
    nves,
    lookups,
    checked,
    elapsedMs: performance.now() - begin,
  };
}

function tablesOf(nveId: string, stage: Stage): Record<string, TableView> {
  const { client } = stage.agent(nveId);
  const tables: Record<string, TableView> = {};
  for (const vnid of client.memberships.keys()) {
    const table = client.table(vnid)!;
    tables[stage.names.vnNamed(vnid)] = {
      context: table.context,
      members: [...table.members.values()],
      mappings: [...table.mappings()].map(([, mapping]) => mapping),
      replicationList: table.replicationList().map((member) => member.nveId),
    };
  }
  return tables;
}
