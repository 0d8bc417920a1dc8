import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { NO_STREAM } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { FrameBuilder } from '../src/frame-builder.ts';
import { entryPlace, frameFault, readHeader, readPosition, ROW_PREVIOUS, ROW_REVISION, sealFrame } from '../src/frame.ts';
import { LiveFeed } from '../src/live-feed.ts';
import { FRAME_BYTES, FRAME_EVENTS } from '../src/limits.ts';
import { hashBytes, NO_SLOT, StreamHeads } from '../src/stream-heads.ts';
import { formatUuid, parseUuid } from '../src/uuid.ts';
import type { RecordedEvent } from '@nva/ports';

describe('UUIDs', () => {
  it('are the bytes that their text says, and come back as that text', () => {
    for (let i = 0; i < 100; i++) {
      const text = randomUUID();
      const words = new Uint32Array(4);
      parseUuid(text, words, 0);
      const bytes = new Uint8Array(16);
      const view = new DataView(bytes.buffer);
      for (const [word, value] of words.entries()) view.setUint32(word * 4, value, true);
      expect(Buffer.from(bytes).toString('hex')).toBe(text.replaceAll('-', ''));
      expect(formatUuid(bytes, 0)).toBe(text);
    }
  });

  it.each([
    '',
    'x',
    'AD1A5C5E-5A5F-4A7E-8A5B-3F6E0A1B2C3D',
    'ad1a5c5e-5a5f-4a7e-8a5b-3f6e0a1b2c3d0',
    'ad1a5c5e_5a5f-4a7e-8a5b-3f6e0a1b2c3d',
    'gd1a5c5e-5a5f-4a7e-8a5b-3f6e0a1b2c3d',
    'éd1a5c5e-5a5f-4a7e-8a5b-3f6e0a1b2c3d',
  ])('refuses «%s»', (text) => {
    expect(() => parseUuid(text, new Uint32Array(4), 0)).toThrow(RangeError);
  });
});

describe('a frame', () => {
  it.each([1, 2, 255, FRAME_EVENTS])('of %i events keeps each in its place', (count) => {
    const first = 2 ** 40 + 7;
    const builder = new FrameBuilder(first, 0);
    for (let i = 0; i < count; i++) {
      const entry = Buffer.from(`entry ${i}`);
      const base = builder.addEntries(entry, 0, entry.length);
      builder.addRow(Uint32Array.of(i, 0, 0, 0), 0, first + i - 1, i, base + entry.length);
    }
    expect(builder.fits(1, 10)).toBe(count < FRAME_EVENTS);
    const { length } = builder;
    const frame = builder.take();
    sealFrame(frame);
    expect(frame.length).toBe(length);
    expect(frameFault(frame)).toBeNull();
    expect(readHeader(frame)).toEqual({ first, count, length });
    for (let i = 0; i < count; i++) {
      const { row, from, to } = entryPlace(frame, count, i);
      expect(frame.toString('utf8', from, to)).toBe(`entry ${i}`);
      expect(readPosition(frame, row + ROW_PREVIOUS)).toBe(first + i - 1);
      expect(frame.readUInt32LE(row + ROW_REVISION)).toBe(i);
    }
  });

  it('takes one append larger than its usual size', () => {
    const builder = new FrameBuilder(1, 3 * FRAME_BYTES);
    expect(builder.fits(1, 3 * FRAME_BYTES)).toBe(true);
    expect(builder.fits(1, 3 * FRAME_BYTES + 1)).toBe(false);
  });
});

describe('stream heads', () => {
  it('are a map from names to revisions and positions', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.oneof(
              fc.string({ minLength: 1, maxLength: 12 }),
              fc.nat(5_000).map((n) => `ts-${n}`),
            ),
            fc.nat(),
          ),
          { minLength: 1_000, maxLength: 4_000 },
        ),
        (steps) => {
          const heads = new StreamHeads();
          const model = new Map<string, { revision: number; position: number }>();
          for (const [name, position] of steps) {
            const bytes = Buffer.from(`..${name}.`);
            const [from, to] = [2, bytes.length - 1];
            const hash = hashBytes(bytes, from, to);
            let slot = heads.slotOf(bytes, from, to, hash);
            const revision = (model.get(name)?.revision ?? NO_STREAM) + 1;
            expect(heads.revision(slot)).toBe(revision - 1);
            if (slot === NO_SLOT) slot = heads.add(bytes, from, to, hash);
            heads.advance(slot, revision, position);
            model.set(name, { revision, position });
          }
          expect(heads.streams).toBe(model.size);
          for (const [name, { revision, position }] of model) {
            const slot = heads.slotNamed(name);
            expect([heads.revision(slot), heads.position(slot)]).toEqual([revision, position]);
          }
          expect(heads.slotNamed('never appended')).toBe(NO_SLOT);
        },
      ),
      { numRuns: 10, seed: 20_261_123 },
    );
  });
});

describe('a live feed', () => {
  const events = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ position: from + i }) as RecordedEvent);

  it('joins what waits up to a bound', async () => {
    const feed = new LiveFeed(100);
    for (let i = 0; i < 5; i++) feed.push(events(i * 10, 10));
    expect((await feed.take(25))?.map(({ position }) => position)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(await feed.take(1_000)).toHaveLength(30);
  });

  it('cuts off a subscriber that leaves more than its bound, and only then', async () => {
    const feed = new LiveFeed(20);
    feed.push(events(0, 20));
    expect(await feed.take(100)).toHaveLength(20);
    feed.push(events(20, 21));
    expect(await feed.take(100)).toBeNull();
  });

  it('wakes who waits, for events and for the end', async () => {
    const feed = new LiveFeed(20);
    const waiting = feed.take(10);
    feed.push(events(0, 1));
    expect(await waiting).toHaveLength(1);
    const atEnd = feed.take(10);
    feed.end();
    expect(await atEnd).toBeNull();
  });
});
