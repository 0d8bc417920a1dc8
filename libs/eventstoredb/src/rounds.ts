import { sleep, systemClock } from '@nva/ports';
import { SEARCH_ROUND_MS } from './limits.ts';

interface Question<T> {
  readonly answer: Promise<T | null>;
  over: boolean;
}

/**
 * Questions that are asked in rounds, each of somebody by name. A round waits for an answer no longer than SEARCH_ROUND_MS; one
 * that comes later is there in the next round, and meanwhile nobody is asked twice. So a node that is stopped, whose answer never
 * comes, delays no other by its time limit.
 */
export class Rounds<T> {
  readonly #questions = new Map<string, Question<T>>();

  /** What `name` answers in this round; null if that is nothing, or not yet. `ask` never rejects, and ends. */
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

  /** No answer is wanted any more; `unwanted` is given those that there are, and those that come. */
  forget(unwanted: (answer: T) => void = () => undefined): void {
    for (const { answer } of this.#questions.values()) void answer.then((late) => late !== null && unwanted(late));
    this.#questions.clear();
  }
}
