import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { traceIdsOf } from '../src/core/tracing.ts';
import { populate, startNva, tsBody, type NvaFixture } from './support.ts';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}

/** An OTLP collector that keeps what it is sent. */
const spans: Span[] = [];
let collector: Server;
let nva: NvaFixture;

beforeAll(async () => {
  collector = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
      response.end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as { port: number };
  nva = await startNva({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` } });
  await populate(nva.http);
  const trace = '00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01';
  await nva.http.put('/v1/nves/nve1/tenant-systems/ts1').set('x-correlation-id', 'change-17').send(tsBody(1)).expect(200);
  await nva.http.put('/v1/nves/nve1/tenant-systems/ts2').set('traceparent', trace).send(tsBody(2)).expect(200);
  // What waits is exported when it stops.
  await nva.stop();
});

afterAll(() => new Promise((resolve) => collector.close(resolve)));

const ofTrace = (traceId: string): Span[] => spans.filter((span) => span.traceId === traceId);
const attribute = (span: Span, key: string): unknown => Object.values(span.attributes.find((one) => one.key === key)!.value)[0];

describe('a trace', () => {
  it('goes from the request through the append to each feed, by the correlation id alone', () => {
    const { traceId, spanId } = traceIdsOf('change-17');
    const trace = ofTrace(traceId);
    expect(trace.map(({ name }) => name).toSorted()).toEqual([
      'PUT /v1/nves/:nveId/tenant-systems/:tsId',
      'append TenantSystemAttached',
      'publish nvo3.nve.nve1',
      'publish nvo3.vn.1',
    ]);
    const root = trace.find(({ name }) => name.startsWith('PUT'))!;
    expect([root.spanId, root.parentSpanId ?? '']).toEqual([spanId, '']);
    for (const span of trace) {
      if (span !== root) expect(span.parentSpanId).toBe(spanId);
      expect(attribute(span, 'nva.correlation_id')).toBe('change-17');
      expect(BigInt(span.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano));
    }
    const positions = trace.filter((span) => span !== root).map((span) => String(attribute(span, 'nva.position')));
    expect(new Set(positions).size).toBe(1);
  });

  it('goes on with the trace that the caller is in (traceparent)', async () => {
    const trace = ofTrace('0123456789abcdef0123456789abcdef');
    expect(trace.map(({ name }) => name)).toContain('append TenantSystemAttached');
  });
});
