import { LogRefused, WRITTEN_BY_NEWER } from '@nva/ports';
import { EMPTY_END, MarkerNewer, MarkerUnreadable, readMarker, type LogEnd, type MarkedEnd } from './end-marker.ts';
import type { LogDirectory } from './log-directory.ts';

const WHAT_TO_DO =
  'Nothing was changed. Look first for the newest files, which a copy or a volume may have left out: with them nothing is lost. Otherwise keep a copy of the folder, bring it back as a whole from a backup and accept the loss (accept-loss) before the first start, or accept it without a backup: see «A log that has lost its end» in docs/operations.md';

/** Compares a log, read from its start, with its marker. Throws LogRefused, which says what is missing and what to do. */
export class AcknowledgedEnd {
  readonly #path: string;
  readonly #marker: string;
  readonly #end: MarkedEnd;
  #met: boolean;

  private constructor({ path, markerPath }: LogDirectory, end: MarkedEnd) {
    this.#path = path;
    this.#marker = markerPath;
    this.#end = end;
    this.#met = end.position === EMPTY_END.position;
  }

  /** null for a log of the first format that has no marker yet. */
  static read(directory: LogDirectory): AcknowledgedEnd | null {
    try {
      return new AcknowledgedEnd(directory, readMarker(directory.markerPath));
    } catch (error) {
      if (error instanceof MarkerNewer)
        throw new LogRefused(`${directory.markerPath} ${error.message}. ${WRITTEN_BY_NEWER}.`, { cause: error });
      if (!(error instanceof MarkerUnreadable)) throw error;
      // An older program made the log; or a crash came between writing the marker and raising the format.
      if (!directory.hasMarker) return null;
      throw new LogRefused(
        `${directory.markerPath} ${error.message}. It says up to where events of ${directory.path} were acknowledged; without it nobody can tell whether some are missing. ${WHAT_TO_DO}.`,
        { cause: error },
      );
    }
  }

  get position(): number {
    return this.#end.position;
  }

  /** The marker is whole and says exactly this end, so it need not be updated. */
  says({ position, frameCrc }: LogEnd): boolean {
    return !this.#end.torn && this.#end.position === position && this.#end.frameCrc === frameCrc;
  }

  /** To be called with the end of every frame, in order. */
  meet({ position, frameCrc }: LogEnd): void {
    if (position === this.#end.position) this.#met = frameCrc === this.#end.frameCrc;
  }

  /** To be called with the end of the last frame. */
  assertReached({ position }: LogEnd): void {
    const acknowledged = this.#end.position;
    if (position < acknowledged) {
      const missing = acknowledged - position;
      throw new LogRefused(
        `${this.#path} has lost its end: it holds events up to position ${position}, and those up to ${acknowledged} were acknowledged. ${missing === 1 ? `The event at position ${acknowledged} is missing` : `${missing} events are missing, from position ${position + 1} to ${acknowledged}`}. ` +
          `Likely ${this.#path}-wal was damaged, cut or removed, or one of the files is older than the others. ${WHAT_TO_DO}.`,
      );
    }
    if (!this.#met)
      throw new LogRefused(
        `${this.#path} is not the log that ${this.#marker} belongs to: another event stands at position ${acknowledged} than the one that was acknowledged. One of them is older, or of another log. ${WHAT_TO_DO}.`,
      );
    if (this.#end.torn && position === acknowledged) {
      throw new LogRefused(
        `${this.#marker} is damaged: one of its slots cannot be read, and ${this.#path} does not go beyond position ${acknowledged}, which the other one says. Events behind it may be missing. ${WHAT_TO_DO}.`,
      );
    }
  }
}
