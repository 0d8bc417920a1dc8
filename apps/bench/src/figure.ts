/** One measured value, beside what the raw part did in the same run. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it should reach (or stay below, for times and sizes). */
  readonly target?: number;
  /** The same by the raw part alone, in the same run. */
  readonly limit?: number;
  /** How much of the limit was reached: value/limit, or limit/value where less is better. */
  readonly ratio?: number;
  /** True where less is better. */
  readonly less?: boolean;
}

export interface Suite {
  readonly title: string;
  /** The figures it makes; --only picks suites by them. */
  readonly figures: readonly string[];
  /** True leaves it out of a run of everything. */
  readonly onlyWhenNamed?: boolean;
  run(context: BenchContext): Promise<readonly Figure[]>;
}

export interface BenchContext {
  /** A folder of its own for what the run writes; removed at the end. */
  readonly directory: string;
  /** A broker, started at the first call. */
  brokers(): Promise<readonly string[]>;
  /** A line of progress for people. */
  say(line: string): void;
}

export const rate = (name: string, unit: string, value: number, extra: { target?: number; limit?: number } = {}): Figure => ({
  name,
  unit,
  value,
  ...extra,
  ...(extra.limit === undefined ? {} : { ratio: value / extra.limit }),
});

export const cost = (name: string, unit: string, value: number, extra: { target?: number; limit?: number } = {}): Figure => ({
  name,
  unit,
  value,
  less: true,
  ...extra,
  ...(extra.limit === undefined ? {} : { ratio: extra.limit / value }),
});

export const percentile = (values: readonly number[], p: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))]!;
export const median = (values: readonly number[]): number => percentile(values, 0.5);
