import { sleep, systemClock } from '@nva/ports';
import { SEARCH_ROUND_MS } from './limits.ts';

interface Question<T> {
  readonly answer: Promise<T | null>;
  over: boolean;
}

/**
 * Questions to named nodes, asked in rounds. A round waits for an answer no longer than SEARCH_ROUND_MS; a later answer is used
 * in the next round, and meanwhile the node is not asked again. So a stopped node, whose answer never comes, delays no other node
 * by its time limit.
 */
export class Rounds<T> {
  readonly #questions = new Map<string, Question<T>>();

  /** The answer of `name` in this round; null if it has none, or none yet. `ask` must not reject, and must end. */
  async of(name: string, ask: () => Promise<T | null>): Promise<T | null> {
    let question = this.#questions.get(name);
    if (!question) {
      const asked: Question<T> = { answer: ask(), over: false };
      void asked.answer.then(() => (asked.over = true));
      this.#questions.set(name, asked);
      question = asked;
    }
    const answer = await Promise.race([question.answer, sleep(systemClock, SEARCH_ROUND_MS, { background: true }).then(() => null)]);
    if (question.over && this.#questions.get(name) === question) this.#questions.delete(name);
    return answer;
  }

  /** Drops all questions; `unwanted` gets the answers that exist and those that still come. */
  forget(unwanted: (answer: T) => void = () => undefined): void {
    for (const { answer } of this.#questions.values()) void answer.then((late) => late !== null && unwanted(late));
    this.#questions.clear();
  }
}
