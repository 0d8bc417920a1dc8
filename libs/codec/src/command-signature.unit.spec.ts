import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { commandSignature, type SignedParts } from './index.ts';

const SECRET = Buffer.alloc(32, 7);
const PARTS: SignedParts = {
  topic: 'nvo3.commands',
  key: 'ts1',
  nveId: 'nve1',
  correlationId: 'c',
  idempotencyKey: 'k',
  timestamp: 1_790_000_000_000,
  value: Buffer.from('c30100', 'hex'),
};

describe('the signature of a command', () => {
  it('is HMAC-SHA256 over each part behind its length', () => {
    const texts = ['nvo3-command-1', 'nvo3.commands', 'ts1', 'nve1', 'c', 'k', '1790000000000'];
    const expected = Buffer.concat(
      [...texts.map((part) => Buffer.from(part)), PARTS.value].flatMap((part) => [Buffer.from([0, 0, 0, part.length]), part]),
    );
    expect(commandSignature(SECRET, PARTS).toString('hex')).toBe(createHmac('sha256', SECRET).update(expected).digest('hex'));
  });

  it('is another for another secret and for every part that is changed, or moved into its neighbour', () => {
    const changed: Partial<SignedParts>[] = [
      { topic: 'nvo4.commands' },
      { key: 'ts2' },
      { nveId: 'nve2' },
      { correlationId: 'd' },
      { idempotencyKey: 'l' },
      { timestamp: 1_790_000_000_001 },
      { value: Buffer.from('c30101', 'hex') },
      { key: 'ts1n', nveId: 've1' },
      { correlationId: 'ck', idempotencyKey: '' },
    ];
    const signatures = [
      commandSignature(SECRET, PARTS),
      commandSignature(Buffer.alloc(32, 8), PARTS),
      ...changed.map((change) => commandSignature(SECRET, { ...PARTS, ...change })),
    ];
    expect(new Set(signatures.map(String)).size).toBe(changed.length + 2);
  });
});
