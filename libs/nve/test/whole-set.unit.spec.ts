import type { CommandLine } from '@nva/codec';
import { NveClient, WholeSetRefused, type LocalAttachment, type WholeSetOutcome } from '@nva/nve';
import { ScriptedTransport } from '@nva/nve/testing';
import { describe, expect, it } from 'vitest';

const hosted = (tsId: string, tenantId?: string): LocalAttachment => ({
  tsId,
  ...(tenantId === undefined ? {} : { tenantId }),
  mac: '02:00:00:00:00:01',
  state: 'activated',
  bindings: [],
});
const clientWith = (localAttachments?: LocalAttachment[]): NveClient =>
  new NveClient({ nveId: 'nve1', transport: new ScriptedTransport(), ...(localAttachments ? { localAttachments } : {}) });

/** Answers one after the other, and keeps what was asked. */
function answering(...answers: WholeSetOutcome[]): {
  readonly send: (line: CommandLine) => Promise<WholeSetOutcome>;
  readonly asked: CommandLine[];
} {
  const asked: CommandLine[] = [];
  return { asked, send: (line) => (asked.push(line), Promise.resolve(answers.shift()!)) };
}

describe('an NVE that starts again', () => {
  it('names all that it hosts, of this incarnation, until nothing else is left at it', async () => {
    const { send, asked } = answering({ status: 200, done: 1_000, remaining: 7 }, { status: 200, done: 7, remaining: 0 });
    expect(await clientWith([hosted('ts1', 'red'), hosted('ts2')]).keepOnlyHosted(4, send)).toBe(1_007);
    const line = { command: 'keepOnly', nveId: 'nve1', incarnation: 4, tenantSystems: [{ tsId: 'ts1', tenantId: 'red' }, { tsId: 'ts2' }] };
    expect(asked).toEqual([line, line]);
  });

  it('says that it has nothing only if it knows that', async () => {
    const { send, asked } = answering({ status: 200, done: 2, remaining: 0 });
    await expect(clientWith().keepOnlyHosted(1, send)).rejects.toThrow(RangeError);
    expect(asked).toEqual([]);
    expect(await clientWith([]).keepOnlyHosted(1, send)).toBe(2);
    expect(asked).toMatchObject([{ tenantSystems: [] }]);
  });

  it.each<[what: string, answers: WholeSetOutcome[], code: string | null, done: number]>([
    ['is refused', [{ status: 409, code: 'nve-incarnation', detail: 'NVE nve1 is at incarnation 5' }], 'nve-incarnation', 0],
    [
      'is refused after a part was done',
      [
        { status: 200, done: 1_000, remaining: 3 },
        { status: 503, code: 'overloaded' },
      ],
      'overloaded',
      1_000,
    ],
    [
      'cannot be carried out whole',
      [
        { status: 200, done: 2, remaining: 1 },
        { status: 200, done: 0, remaining: 1 },
      ],
      null,
      2,
    ],
  ])('is told when its word %s', async (_, answers, code, done) => {
    const error = await clientWith([hosted('ts1')])
      .keepOnlyHosted(4, answering(...answers).send)
      .catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(WholeSetRefused);
    expect(error).toMatchObject({ code, done });
  });
});
