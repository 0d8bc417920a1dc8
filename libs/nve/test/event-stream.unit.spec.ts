import { EventStreamParser, MAX_EVENT_CHARACTERS, SseProtocolError, type StreamEvent } from '@nva/nve';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

function parse(...pieces: string[]): StreamEvent[] {
  const events: StreamEvent[] = [];
  const parser = new EventStreamParser((event) => events.push(event));
  for (const piece of pieces) parser.feed(piece);
  return events;
}

const STREAM =
  ': hello\n\nevent: hello\ndata: {"a":1}\n\nid: L/7\ndata:x\ndata: y\nretry: 5\nunknown\n\nevent: empty\nid: 9\n\ndata: ü\r\n\r\nid\ndata\n\n';
const EVENTS: StreamEvent[] = [{ event: 'hello', data: '{"a":1}' }, { id: 'L/7', data: 'x\ny' }, { data: 'ü' }, { id: '', data: '' }];

describe('the event stream (WHATWG HTML, section 9.2.6)', () => {
  it('is split into events; comments, unknown fields and events without data are passed over', () => {
    expect(parse(STREAM)).toEqual(EVENTS);
  });

  it('may be cut anywhere', () => {
    expect(parse(...STREAM)).toEqual(EVENTS);
    fc.assert(
      fc.property(fc.nat(STREAM.length), fc.nat(STREAM.length), (a, b) => {
        const [first, second] = [Math.min(a, b), Math.max(a, b)];
        expect(parse(STREAM.slice(0, first), STREAM.slice(first, second), STREAM.slice(second))).toEqual(EVENTS);
      }),
    );
  });

  it('does not give an event that has not ended', () => {
    expect(parse('data: x\n')).toEqual([]);
  });

  it('refuses an event without end', () => {
    const line = `data: ${'x'.repeat(1000)}\n`;
    expect(() => parse(...Array.from({ length: MAX_EVENT_CHARACTERS / 1000 + 1 }, () => line))).toThrow(SseProtocolError);
    expect(() => parse('x'.repeat(MAX_EVENT_CHARACTERS + 1))).toThrow(SseProtocolError);
  });
});
