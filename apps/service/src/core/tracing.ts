import { createHash } from 'node:crypto';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags, type Attributes, type Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, RandomIdGenerator } from '@opentelemetry/sdk-trace-base';

/** Maximum number of spans that wait for export; more spans are dropped. */
const MAX_WAITING_SPANS = 4_096;
const TRACE_ID = /^[0-9a-f]{32}$/;

export interface TracingOptions {
  /** OTLP over HTTP: `http://collector:4318`. */
  readonly endpoint: string;
  /** Share of the correlation ids that are traced, 0 to 1. */
  readonly ratio: number;
  readonly service: string;
}

export interface TracedSpan {
  readonly name: string;
  readonly correlationId: string;
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes?: Attributes;
  readonly error?: string;
}

/** The ids that follow from a correlation id: the same in every process that sees it, in the event or on the record. */
export interface TraceIds {
  readonly traceId: string;
  /** The id of the request's own span, the parent of the others. */
  readonly spanId: string;
}

/** A correlation id that is already a trace id is used unchanged, so that a caller's own trace continues. */
export function traceIdsOf(correlationId: string): TraceIds {
  const digest = createHash('sha256').update(correlationId).digest('hex');
  return { traceId: TRACE_ID.test(correlationId) ? correlationId : digest.slice(0, 32), spanId: digest.slice(32, 48) };
}

/** Generates the chosen ids for the next root span, if any are set. */
class ChosenIds extends RandomIdGenerator {
  chosen: TraceIds | null = null;
  override generateTraceId = (): string => this.chosen?.traceId ?? this.#random.generateTraceId();
  override generateSpanId = (): string => this.chosen?.spanId ?? this.#random.generateSpanId();
  readonly #random = new RandomIdGenerator();
}

/**
 * OpenTelemetry spans from the request through the append to the publication, one trace for each correlation id. The processes
 * need not pass on a context: trace and root span follow from the correlation id, which is in every event and on every record.
 */
export class Tracing {
  readonly #ids = new ChosenIds();
  readonly #provider: BasicTracerProvider;
  readonly #tracer: Tracer;
  readonly #sampledBelow: number;

  constructor({ endpoint, ratio, service }: TracingOptions) {
    const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
    this.#provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': service }),
      idGenerator: this.#ids,
      spanProcessors: [new BatchSpanProcessor(exporter, { maxQueueSize: MAX_WAITING_SPANS })],
    });
    this.#tracer = this.#provider.getTracer('nva');
    this.#sampledBelow = ratio * 0x1_0000_0000;
  }

  /** Records the request with which a trace begins. */
  root(span: TracedSpan): void {
    const ids = traceIdsOf(span.correlationId);
    if (!this.#sampled(ids)) return;
    this.#ids.chosen = ids;
    this.#record(span, SpanKind.SERVER, null);
    this.#ids.chosen = null;
  }

  /** Records something that was done for a request, here or in another process. */
  child(span: TracedSpan, kind = SpanKind.INTERNAL): void {
    const ids = traceIdsOf(span.correlationId);
    if (this.#sampled(ids)) this.#record(span, kind, ids);
  }

  /** Exports the waiting spans. */
  async stop(): Promise<void> {
    await this.#provider.shutdown();
  }

  #record({ name, startMs, endMs, attributes = {}, error, correlationId }: TracedSpan, kind: SpanKind, parent: TraceIds | null): void {
    const context = parent
      ? trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceFlags: TraceFlags.SAMPLED, isRemote: true })
      : ROOT_CONTEXT;
    const span = this.#tracer.startSpan(
      name,
      { kind, startTime: startMs, attributes: { 'nva.correlation_id': correlationId, ...attributes } },
      context,
    );
    if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
    span.end(endMs);
  }

  #sampled({ traceId }: TraceIds): boolean {
    return Number.parseInt(traceId.slice(0, 8), 16) < this.#sampledBelow;
  }
}
