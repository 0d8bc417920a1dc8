import { randomUUID } from 'node:crypto';
import { eventSchemas, type NvaEvent } from '@nva/codec';
import { NO_STREAM, type EventToAppend, type StreamAppend } from '@nva/ports';

export const toAppend = (event: NvaEvent): EventToAppend => ({ id: randomUUID(), event });

let serial = 0;
/** A small event; each differs from all others. */
export function sample(): NvaEvent {
  const audit = {
    recordedAt: 1_790_000_000_000 + serial,
    actor: 'operator:contract',
    correlationId: randomUUID(),
    idempotencyKey: null,
    requestDigest: null,
  };
  return { type: 'MacChanged', data: { audit, tsId: `ts${serial++}`, mac: '02:00:00:00:00:01' } };
}

/** An append of `count` fresh events. */
export const fresh = (stream: string, expectedRevision = NO_STREAM, count = 1): StreamAppend => ({
  stream,
  expectedRevision,
  events: Array.from({ length: count }, () => toAppend(sample())),
});

interface Complex {
  readonly type: string;
  readonly name?: string;
  readonly fields?: readonly { readonly name: string; readonly type: Schema }[];
  readonly symbols?: readonly string[];
  readonly items?: Schema;
  readonly values?: Schema;
}
type Schema = string | Complex | readonly Schema[];

/** Numbers at the edges of what Avro's variable-length integers and JavaScript hold. */
const LONGS = [0, 1, -1, 63, 64, 2 ** 31, -(2 ** 40), Number.MAX_SAFE_INTEGER - 1];
const INTS = [0, 1, -1, 64, 2 ** 31 - 1, -(2 ** 31)];
const STRINGS = ['', 'vm1-eth0', 'Zürich ≠ 東京 🛰', 'x'.repeat(300)];

/** Values of one schema, each branch of each union and the edges of each primitive in turn; the same on every run. */
class Values {
  readonly #named = new Map<string, Complex>();
  #turn: number;

  constructor(turn: number) {
    this.#turn = turn;
  }

  of(schema: Schema): unknown {
    if (Array.isArray(schema)) return this.of(this.#pick(schema as readonly Schema[]));
    if (typeof schema !== 'string') return this.#complex(schema as Complex);
    const named = this.#named.get(schema.split('.').at(-1)!);
    if (named) return this.#complex(named);
    switch (schema) {
      case 'null':
        return null;
      case 'boolean':
        return this.#pick([true, false]);
      case 'int':
        return this.#pick(INTS);
      case 'long':
        return this.#pick(LONGS);
      case 'string':
        return this.#pick(STRINGS);
      default:
        throw new Error(`samples of «${schema}» are not made yet`);
    }
  }

  #complex(schema: Complex): unknown {
    if (schema.name !== undefined) this.#named.set(schema.name, schema);
    if (schema.type === 'record') return Object.fromEntries(schema.fields!.map(({ name, type }) => [name, this.of(type)]));
    if (schema.type === 'enum') return this.#pick(schema.symbols!);
    if (schema.type === 'array') {
      // Also of an empty one the type is known by its name from here on.
      this.of(schema.items!);
      return Array.from({ length: this.#pick([0, 1, 3]) }, () => this.of(schema.items!));
    }
    if (schema.type === 'map')
      return Object.fromEntries(Array.from({ length: this.#pick([0, 2]) }, (_, i) => [`key ${i}`, this.of(schema.values!)]));
    return this.of(schema.type);
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#turn++ % choices.length]!;
  }
}

const SAMPLES_PER_TYPE = 7;

export function samplesOfEveryType(): NvaEvent[] {
  return Object.entries(eventSchemas).flatMap(([type, schema]) =>
    Array.from(
      { length: SAMPLES_PER_TYPE },
      (_, turn) => ({ type, data: new Values(turn).of(schema as unknown as Schema) }) as unknown as NvaEvent,
    ),
  );
}
