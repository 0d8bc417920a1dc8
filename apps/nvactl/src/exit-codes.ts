/** What a script sees of a run. The man page lists them with these meanings. */
export const EXIT = {
  ok: 0,
  refused: 1,
  usage: 2,
  unreachable: 3,
  notFound: 4,
  different: 5,
  notEffective: 6,
  fault: 70,
  interrupted: 130,
  outputClosed: 141,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANINGS: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [EXIT.ok, 'Done. diff: there is no difference. apply --dry-run: there is nothing to do.'],
  [EXIT.refused, 'The NVA refused it, or at least one step of an apply.'],
  [EXIT.usage, 'Wrong usage: an option, an argument, a file or a context. Nothing was sent to change anything.'],
  [EXIT.unreachable, 'The NVA cannot be reached, answers something else than an NVA does, or says to try again later (429, 503).'],
  [EXIT.notFound, 'What was asked for does not exist.'],
  [EXIT.different, 'diff, replay --verify and verify: there are differences. apply --dry-run: there is something to do.'],
  [EXIT.notEffective, 'Recorded, but not effective: it lost a race for an address, or its VN went away.'],
  [EXIT.fault, 'A defect of nvactl.'],
  [EXIT.interrupted, 'Ended by Ctrl-C. apply has said what was done.'],
  [EXIT.outputClosed, 'The output cannot be written: its reader has closed it, or a disk is full.'],
  [EXIT.terminated, 'Ended by SIGTERM.'],
];

/** The end of a run with a message for people and a code for scripts. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export const wrongUsage = (message: string, cause?: unknown): Failure => new Failure(EXIT.usage, message, { cause });
