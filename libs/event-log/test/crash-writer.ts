import { writeSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { NO_STREAM, type StreamAppend } from '@nva/ports';
import { named, openStore } from './support.ts';

/**
 * A child process that appends until it is killed, or `calls` times, and says on standard output what was acknowledged, one line
 * per call, written at once (to a file: a pipe to a parent that is slow would refuse it). Arguments: directory, label, calls of
 * each caller, callers, checkpointPages.
 */
const [directory, label, calls, callers, checkpointPages] = process.argv.slice(2) as [string, string, string, string, string];

export interface Acknowledged {
  readonly stream: string;
  readonly revision: number;
  readonly position: number;
  readonly ids: readonly string[];
}

/** Every event names the append that it belongs to and that append's size, so that a half one shows. */
function appendOf(stream: string, expectedRevision: number, size: number, name: string): StreamAppend {
  return {
    stream,
    expectedRevision,
    events: Array.from({ length: size }, (_, index) => ({ id: randomUUID(), event: named(`${name}|${index}|${size}`) })),
  };
}

const store = await openStore(directory, { checkpointPages: Number(checkpointPages) });
writeSync(1, 'open\n');
process.send?.('open');

async function caller(number: number): Promise<void> {
  let revision = NO_STREAM;
  for (let call = 0; call < Number(calls); call++) {
    const size = 1 + ((call + number) % 5);
    const appends = [
      appendOf(`${label}-${number}`, revision, size, `${label}-${number}-${call}`),
      appendOf(`${label}-${number}-${call}`, NO_STREAM, 2, `${label}-${number}-${call}-b`),
    ];
    const results = await store.append(appends);
    revision += size;
    const lines = results.map((result, i) => {
      if (result.outcome !== 'appended') throw new Error(`refused: ${JSON.stringify(result)}`);
      const said: Acknowledged = {
        stream: appends[i]!.stream,
        revision: result.revision,
        position: result.position,
        ids: appends[i]!.events.map(({ id }) => id),
      };
      return `ack ${JSON.stringify(said)}\n`;
    });
    writeSync(1, lines.join(''));
    process.send?.('acknowledged');
  }
}

await Promise.all(Array.from({ length: Number(callers) }, (_, number) => caller(number)));
await store.close();
writeSync(1, 'closed\n');
