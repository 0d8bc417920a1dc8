import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, systemClock, type Logger } from '@nva/ports';
import type { Asker } from '../src/audit/asker.ts';
import type { Audit, Question } from '../src/audit/audit.ts';
import { AuditThread } from '../src/audit/audit-thread.ts';
import { BoundedAudit, QUESTIONS_UNDER_WAY } from '../src/audit/bounded-audit.ts';
import { until } from './support.ts';

const QUESTION: Question = {
  kind: 'query',
  name: 'vns',
  asked: { path: {}, query: {}, caller: { kind: 'operator', name: 'alice' } },
  at: { position: 1 },
  head: 1,
};

let folder: string;
let lines: string[];
const logger: Logger = { ...silentLogger, error: (message) => lines.push(message) };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nva-audit-thread-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A thread over a log that is not there. */
const failing = (): AuditThread =>
  new AuditThread(
    {
      data: {
        logId: 'none',
        log: { directory: join(folder, 'nothing') },
        historyPath: join(folder, 'history.sqlite'),
        snapshotPath: null,
        quotas: null,
        identityRate: { changes: 1, withinS: 1 },
        proof: null,
        shards: Array.from({ length: 64 }, (_, shard) => shard),
      },
      clock: systemClock,
      logger,
      headOf: async () => null,
    },
    1,
  );

describe('an audit thread that fails', () => {
  it('is told of in the log, and refuses questions until it is started again; the process goes on', async () => {
    const audit = failing();
    await expect(audit.ask(QUESTION)).rejects.toMatchObject({ code: 'behind' });
    expect(lines).toEqual(['the audit thread has failed', expect.stringMatching(/^the audit thread has ended/)]);
    await expect(audit.ask(QUESTION)).rejects.toMatchObject({ code: 'behind' });
    await audit.stop();
    await expect(audit.ask(QUESTION)).rejects.toMatchObject({ code: 'overloaded' });
  });

  it('starts by itself soon after the process', async () => {
    const audit = failing();
    await until(() => lines.length === 2);
    await audit.stop();
  });
});

const by = (caller: string): Asker => ({ caller, authorization: undefined, correlationId: 'spec', part: null });

describe('questions about the past', () => {
  it('are refused beyond a number that is under way, of one caller and of all, and taken again afterwards', async () => {
    const waiting: (() => void)[] = [];
    const slow: Audit = {
      ask: () => new Promise((resolve) => waiting.push(() => resolve('{}'))),
      archive: () => Promise.reject(new Error('not asked')),
      proof: () => Promise.reject(new Error('not asked')),
      proofStatus: null,
      folded: () => undefined,
      stop: async () => undefined,
    };
    const audit = new BoundedAudit(slow);
    const { perCaller, inAll } = QUESTIONS_UNDER_WAY;
    const asked = Array.from({ length: perCaller }, () => audit.ask(QUESTION, by('alice')));
    await expect(audit.ask(QUESTION, by('alice'))).rejects.toMatchObject({ code: 'too-many-waiting' });
    for (let i = perCaller; i < inAll; i++) asked.push(audit.ask(QUESTION, by(`caller-${i}`)));
    await expect(audit.ask(QUESTION, by('bob'))).rejects.toMatchObject({ code: 'too-many-waiting' });
    for (const answer of waiting) answer();
    expect(await Promise.all(asked)).toHaveLength(inAll);
    const again = audit.ask(QUESTION, by('alice'));
    waiting.at(-1)!();
    expect(await again).toBe('{}');
  });
});
