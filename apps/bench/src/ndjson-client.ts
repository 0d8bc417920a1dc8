import { request } from 'node:http';

/**
 * Sends lines over one connection and resolves with the numbers of answers and refusals when the last answer has come. Respects
 * backpressure in both directions.
 */
export function sendLines(
  url: string,
  lines: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly answered: number; readonly refused: number }> {
  return new Promise((resolve, reject) => {
    const call = request(
      `${url}/v1/commands`,
      { method: 'POST', headers: { 'content-type': 'application/x-ndjson', ...headers } },
      (response) => {
        let answered = 0;
        let refused = 0;
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const parts = (rest + chunk).split('\n');
          rest = parts.pop()!;
          answered += parts.length;
          for (const part of parts) if (!part.startsWith('{"status":20')) refused++;
        });
        response.on('end', () => resolve({ answered, refused }));
        response.on('error', reject);
      },
    );
    call.on('error', reject);
    let next = 0;
    const LINES_PER_WRITE = 256;
    const push = (): void => {
      while (next < lines.length) {
        const batch = lines.slice(next, next + LINES_PER_WRITE);
        next += batch.length;
        if (!call.write(`${batch.join('\n')}\n`)) {
          call.once('drain', push);
          return;
        }
      }
      call.end();
    };
    push();
  });
}

/** Sends lines that must all be accepted. */
export async function sendAll(url: string, lines: readonly string[], headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const { answered, refused } = await sendLines(url, lines, headers);
  if (answered !== lines.length || refused > 0) throw new Error(`${answered} of ${lines.length} lines answered, ${refused} refused`);
}
