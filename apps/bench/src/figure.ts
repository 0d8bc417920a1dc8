/** One measured value, and the value of the raw part in the same run. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The value to reach; for times and sizes, the value not to exceed. */
  readonly target?: number;
  /** The value of the raw part alone, in the same run. */
  readonly limit?: number;
  /** The share of the limit that was reached: value/limit, or limit/value if less is better. */
  readonly ratio?: number;
  /** Whether less is better. */
  readonly less?: boolean;
}

export interface Suite {
  readonly title: string;
  /** The figures that the suite measures; --only selects suites by them. */
  readonly figures: readonly string[];
  /** True excludes the suite from a run of all suites. */
  readonly onlyWhenNamed?: boolean;
  run(context: BenchContext): Promise<readonly Figure[]>;
}

export interface BenchContext {
  /** A folder for the files of this run; removed at the end. */
  readonly directory: string;
  /** A broker, started at the first call. */
  brokers(): Promise<readonly string[]>;
  /** Prints a line of progress for people. */
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
