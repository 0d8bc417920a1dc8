import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Sweep } from '@nva/domain';
import type { Line, Result, SweepAnswer } from '../src/commands/lines.ts';
import { Sweeper } from '../src/commands/sweeper.ts';
import { Reads } from '../src/reads/reads.ts';
import { attachLine, line, nveBody, populate, postLines, startNva, type NvaFixture } from './support.ts';

/** More than two turns of a caller. */
const MANY = 150;

let nva: NvaFixture;

beforeEach(async () => {
  nva = await startNva();
  await populate(nva.http);
  await postLines(nva.url, Array.from({ length: MANY }, (_, i) => attachLine(i + 1, 1)).join(''));
});

afterEach(() => nva.stop());

/** Carries a sweep out on the real registrar; `before` happens when the turn of each piece comes. */
function swept(sweep: object, before: (piece: number) => Promise<unknown>): Promise<SweepAnswer> {
  const { core } = nva.server;
  const { registrar } = core.registrarRole!;
  let piece = 0;
  const decide = async (_commands: number, make: () => readonly Line[]): Promise<readonly Result[]> => {
    await before(piece++);
    return registrar.submit(
      make().map(({ parsed }) => ({
        command: parsed.command,
        caller,
        correlationId: 'c',
        ...(parsed.ifRevision !== undefined && { ifRevision: parsed.ifRevision }),
      })),
    );
  };
  const caller = { kind: 'operator', name: 'op' } as const;
  return new Sweeper(new Reads(core.replica, core.turns.reads, core.clock), registrar).run(
    { parsed: { sweep: sweep as Sweep }, json: {} },
    { caller, decide },
  );
}

const attachments = (tsId: string): string[] =>
  nva.server.core.replica.network.tenantSystems.get(tsId)!.state.attachments.map(({ nveId }) => nveId);
const keepNothing = { type: 'keepOnly', nveId: 'nve1', incarnation: 1, tenantSystems: [] };

describe('between two pieces of a sweep', () => {
  it('an NVE that begins another life ends what its former one said: what is attached by then stays', async () => {
    const refused = swept(keepNothing, async (piece) => {
      if (piece === 1)
        await nva.http
          .put('/v1/nves/nve1')
          .send(nveBody(1, { incarnation: 2 }))
          .expect(200);
    });
    await expect(refused).rejects.toMatchObject({ code: 'nve-incarnation', detail: { expected: 2 } });
    expect(nva.server.core.replica.network.nves.get('nve1')!.attachments).toBe(MANY - 64);
  });

  it('what the NVE attaches anew counts, though it had not named it', async () => {
    const { items, done, remaining } = await swept(keepNothing, async (piece) => {
      if (piece === 0) await postLines(nva.url, attachLine(7, 1, { logicalInterface: 'tap7' }));
    });
    expect(items.filter(({ status }) => status !== 200)).toMatchObject([{ tsId: 'ts7', status: 409, code: 'revision-mismatch' }]);
    expect([done, remaining]).toEqual([MANY - 1, 1]);
    expect(attachments('ts7')).toEqual(['nve1']);
  });

  it('what changes at an NVE that an operator evacuates goes all the same, and what has moved away stays where it is', async () => {
    const { items, done, remaining } = await swept({ type: 'evacuateNve', nveId: 'nve1' }, async (piece) => {
      if (piece === 0) await postLines(nva.url, attachLine(7, 1, { logicalInterface: 'tap7' }) + attachLine(8, 2));
    });
    expect(items.map(({ status }) => status)).toEqual(Array.from({ length: MANY - 1 }, () => 200));
    expect([done, remaining]).toEqual([MANY - 1, 0]);
    expect([attachments('ts7'), attachments('ts8')]).toEqual([[], ['nve2']]);
  });

  it('a VN that is emptied loses what is registered in it by then', async () => {
    const { done, remaining } = await swept({ type: 'emptyVn', vnid: 1 }, async (piece) => {
      if (piece === 0)
        await postLines(
          nva.url,
          line('registerBinding', { tsId: 'ts7', bid: 0, vnid: 1, ip: '10.0.0.7', lifetimeS: 60 }) + line('remove', { tsId: 'ts8' }),
        );
    });
    expect([done, remaining]).toEqual([MANY - 1, 0]);
    expect(nva.server.core.replica.network.vns.get(1)!.members.size).toBe(0);
    expect(attachments('ts7')).toEqual(['nve1']);
  });
});
