import { cost, median, percentile, rate, type Suite } from './figure.ts';
import { sendAll } from './ndjson-client.ts';
import { NvaProcess } from './nva-process.ts';
import { attachLine, foundationLines, ipOf, nveIdOf, tsIdOf } from './workload.ts';

const WORKLOAD = { vns: 1_000, nves: 100 };
const LINES = 50_000;
const ROUNDS = 3;
/** Callers that ask about the past, each again as soon as it is answered. */
const ASKERS = 2;
const PROBES = 1_000;
const STEPS = 1_000;
/** How long a history may take to come to the end of the log before it is asked. */
const BEHIND_LIMIT_MS = 120_000;

/** Asks until it is told to stop, and resolves with the number of answers. */
type Asking = () => Promise<number>;

function asking(callers: number, ask: () => Promise<void>): Asking {
  const asked = { stops: false, answers: 0 };
  const all = Promise.all(
    Array.from({ length: callers }, async () => {
      while (!asked.stops) {
        await ask();
        asked.answers++;
      }
    }),
  );
  return async () => {
    asked.stops = true;
    await all;
    return asked.answers;
  };
}

async function answered(url: string, init: RequestInit = {}): Promise<void> {
  const response = await fetch(url, init);
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
}

/** Waits until the history has come to the end of the log, and resolves with the position of that. */
async function caughtUp(url: string): Promise<number> {
  for (const began = performance.now(); performance.now() - began < BEHIND_LIMIT_MS;) {
    const response = await fetch(`${url}/v1/vns/1/mappings?limit=1&at=${new Date().toISOString()}`);
    const body = (await response.json()) as { at?: { position: string } };
    if (response.ok) return Number(body.at!.position);
  }
  throw new Error('the history did not come to the end of the log');
}

const post = (body: object): RequestInit => ({
  method: 'POST',
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});

const whatIf = {
  limit: 100,
  steps: Array.from({ length: STEPS }, (_, i) => ({ command: 'detach', tsId: tsIdOf(i), nveId: nveIdOf(i % WORKLOAD.nves) })),
};

/** Times of single attaches, one after the other, in milliseconds. */
async function attaching(url: string, from: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = from; i < from + PROBES; i++) {
    const began = performance.now();
    await sendAll(url, [attachLine(WORKLOAD, i)]);
    times.push(performance.now() - began);
  }
  return times;
}

export const auditSuite: Suite = {
  title: 'an NVA that answers about the past without a pause: what is left of its commands, and what others wait beside a what-if',
  figures: ['commands_while_audited_per_s', 'attach_beside_what_if_p99_ms'],
  async run({ directory, say }) {
    const nva = await NvaProcess.start(directory);
    const { url } = nva;
    try {
      await sendAll(url, foundationLines(WORKLOAD));
      let sent = 0;
      const round = async (): Promise<number> => {
        const lines = Array.from({ length: LINES }, () => attachLine(WORKLOAD, sent++));
        const began = performance.now();
        await sendAll(url, lines);
        return LINES / ((performance.now() - began) / 1_000);
      };
      await round();
      const known = await caughtUp(url);
      const past = (): number => WORKLOAD.vns + WORKLOAD.nves + 1 + Math.floor(Math.random() * (known - WORKLOAD.vns - WORKLOAD.nves - 1));
      const question = (): Promise<void> => {
        const vn = 1 + Math.floor(Math.random() * WORKLOAD.vns);
        // Of a tenant system of the first ones, so that it was there.
        return Math.random() < 0.5
          ? answered(`${url}/v1/vns/${vn}/mappings?at=${past()}`)
          : answered(`${url}/v1/resolve?vnid=${vn}&ip=${ipOf(vn - 1)}&at=${known}`);
      };
      const [alone, audited]: [number[], number[]] = [[], []];
      let answers = 0;
      for (let i = 0; i < ROUNDS; i++) {
        alone.push(await round());
        const stop = asking(ASKERS, question);
        audited.push(await round());
        answers += await stop();
      }
      say(
        `alone ${alone.map(Math.round).join(', ')}, while audited ${audited.map(Math.round).join(', ')} commands/s, and ${answers} answers`,
      );
      await caughtUp(url);
      const quiet = await attaching(url, sent);
      sent += PROBES;
      const stop = asking(1, () => answered(`${url}/v1/what-if`, post(whatIf)));
      const beside = await attaching(url, sent);
      say(
        `${await stop()} what-ifs of ${STEPS} steps; an attach p50 ${median(beside).toFixed(2)} ms, at most ${Math.max(...beside).toFixed(1)} ms`,
      );
      return [
        rate('commands_while_audited_per_s', 'commands/s', median(audited), { target: 0.9 * median(alone), limit: median(alone) }),
        cost('attach_beside_what_if_p99_ms', 'ms', percentile(beside, 0.99), { target: 10, limit: percentile(quiet, 0.99) }),
      ];
    } finally {
      await nva.stop();
    }
  },
};
