import { describe, expect, it } from 'vitest';
import { parseLine, type ParsedCommand } from '@nva/commands';
import { COMMANDS_PER_TURN, waves } from '../src/commands/command-pieces.ts';
import type { CallersLine } from '../src/commands/lines.ts';

/** A detach of a tenant system, sent by an NVE. */
function sent(nveId: string, tsId: string): CallersLine {
  const json = { command: 'detach', nveId, tsId };
  return { parsed: parseLine(json) as ParsedCommand, json, caller: { kind: 'nve', nveId, tenants: null }, correlationId: 'spec' };
}

const placesOf = (lines: readonly CallersLine[]) => [...waves(lines)].map((pieces) => pieces.map(({ caller, places }) => [caller, places]));

describe('commands from Kafka', () => {
  it('are divided by who sent them, and take as many turns as they are long', () => {
    const lines = Array.from({ length: 2 * COMMANDS_PER_TURN + 1 }, (_, i) => sent(i % 2 === 0 ? 'a' : 'b', `ts${i}`));
    const [pieces, ...more] = [...waves(lines)];
    expect(more).toEqual([]);
    expect(pieces!.map(({ caller, places }) => [caller, places.length])).toEqual([
      ['nve:a', COMMANDS_PER_TURN],
      ['nve:b', COMMANDS_PER_TURN],
      ['nve:a', 1],
    ]);
  });

  it('about one tenant system are decided in the order in which they came, whoever sent them', () => {
    const lines = [sent('a', 'ts1'), sent('b', 'ts1'), sent('b', 'ts2'), sent('a', 'ts1'), sent('a', 'ts2'), sent('a', 'ts3')];
    expect(placesOf(lines)).toEqual([
      [
        ['nve:a', [0, 5]],
        ['nve:b', [2]],
      ],
      [
        ['nve:b', [1]],
        ['nve:a', [4]],
      ],
      [['nve:a', [3]]],
    ]);
  });
});
