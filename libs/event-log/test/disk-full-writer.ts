import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { NO_STREAM } from '@nva/ports';
import type { Acknowledged } from './crash-writer.ts';
import { named, openStore } from './support.ts';

/** A child process whose files may not grow beyond a limit that its parent set: appends until that fails, and says what became of each. */
// Without a handler the kernel ends a process that meets the limit; with one the write fails, as on a full disk.
process.on('SIGXFSZ', () => undefined);

const store = await openStore(process.argv[2]!);
const say = (what: string, value: unknown): void => void writeSync(1, `${what} ${JSON.stringify(value)}\n`);
const append = (stream: string) => ({
  stream,
  expectedRevision: NO_STREAM,
  events: [1, 2, 3].map((index) => ({ id: randomUUID(), event: named(`${stream}|${index}|3`) })),
});

let failures = 0;
for (let call = 0; failures === 0; call++) {
  const appends = Array.from({ length: 20 }, (_, i) => append(`s-${call}-${i}`));
  // Half of them in a second call, which waits behind the first when that fails.
  const answers = await Promise.allSettled([store.append(appends.slice(0, 10)), store.append(appends.slice(10))]);
  for (const [half, answer] of answers.entries()) {
    if (answer.status === 'rejected') {
      failures++;
      say('failed', [answer.reason.name, answer.reason.message]);
      continue;
    }
    for (const [i, result] of answer.value.entries()) {
      const { stream, events } = appends[half * 10 + i]!;
      if (result.outcome === 'appended')
        say('ack', {
          stream,
          revision: result.revision,
          position: result.position,
          ids: events.map(({ id }) => id),
        } satisfies Acknowledged);
    }
  }
}
for (let later = 0; later < 2; later++)
  await store.append([append(`later-${later}`)]).then(
    () => say('later', 'appended'),
    (error: Error) => say('later', error.name),
  );
const stop = new AbortController();
try {
  for await (const message of store.subscribe({ signal: stop.signal })) if (message.kind === 'caught-up') say('subscription', 'caught-up');
} catch (error) {
  say('subscription', (error as Error).name);
}
await store.close();
say('closed', true);
