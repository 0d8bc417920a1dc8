import type { TableValue } from '@nva/fold';
import type { Instant } from '@nva/history';
import { feedKey } from '@nva/ports';
import type { Outcome } from '@nva/registrar';
import { whatIfSentences, type StepOutcome, type WhatIf } from '@nva/what-if';
import { problemOf } from '../refusals/problem.ts';
import { instantBody } from './audit.ts';
import { SCENARIOS } from './what-if-question.ts';

/** The answer to a what-if as JSON. */
export function whatIfText(found: WhatIf, instant: Instant): string {
  const { steps, feeds, nves, pairs, conflicts, bounds } = found;
  return JSON.stringify({
    steps: steps.map((step, i) => ({ step: i + 1, ...stepBody(step) })),
    feeds: feeds.map(({ feed, changes, ...counts }) => ({
      feed: feedKey(feed),
      ...counts,
      changes: changes.map(({ key, before, after, step }) => ({ key, before: valueBody(before), after: valueBody(after), step })),
    })),
    nves,
    reachability: {
      lost: pairs.lost.count,
      gained: pairs.gained.count,
      lostPairs: pairs.lost.first,
      gainedPairs: pairs.gained.first,
    },
    conflicts,
    partial: [...bounds],
    sentences: whatIfSentences(found),
    at: instantBody(instant),
  });
}

function stepBody({ name, outcome, swept, events, note }: StepOutcome): object {
  return {
    [Object.hasOwn(SCENARIOS, name) ? 'scenario' : 'command']: name,
    ...(outcome ? outcomeBody(outcome) : { status: 200, recorded: events.length > 0 }),
    events: events.map(({ event, stream }) => ({ type: event.type, stream })),
    ...(swept && { done: swept.done, remaining: swept.remaining }),
    ...(swept?.refused && {
      refused: {
        tsId: swept.refused.tsId,
        tenantId: swept.refused.tenantId,
        code: swept.refused.refusal.code,
        detail: swept.refused.refusal.message,
      },
    }),
    ...(note !== null && { note }),
  };
}

/** Without a position, which only what is recorded has. */
function outcomeBody(outcome: Outcome): object {
  if ('refusal' in outcome) {
    const { status, code, detail, field } = problemOf(outcome.refusal);
    return { status, recorded: false, code, detail, ...(field !== undefined && { field }) };
  }
  const { recorded, effective, conflicts, memberships } = outcome.answer;
  return { status: effective ? 200 : 202, recorded, effective, conflicts, memberships };
}

/** A membership would begin at a position that nobody knows yet. */
const valueBody = (value: TableValue | null): object | null =>
  value && (value.type === 'Membership' ? { vnid: value.data.vnid } : value.data);
