import { parseArgs } from 'node:util';
import { startBroker } from './broker-process.ts';
import { FigureIndex, loadFigure1 } from './figure.ts';
import { startNva, type KafkaPlace } from './nva-process.ts';
import { Paint } from './paint.ts';
import { play, type StepOutcome } from './play.ts';
import { stepText, summaryText } from './report.ts';
import { figure1Scenario } from './scenario.ts';

const USAGE = `npm run demo -- [--kafka] [--quiet] [--json]

Plays Figure 1 of the draft on an NVA of its own, and checks every NVE's tables after every step.

  --kafka   over Kafka: KAFKA_BROKERS, or a broker that is started for it
  --quiet   titles and checks only
  --json    one JSON object a step
`;

/** Prefix of the demo's topics on a shared broker. */
const TOPIC_PREFIX = 'nvo3-demo';

interface Options {
  readonly kafka: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
}

function readOptions(): Options | null {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({ options: { kafka: flag, quiet: flag, json: flag, help: { ...flag, short: 'h' } } });
  return values.help ? null : values;
}

async function kafkaPlace(children: AsyncDisposableStack): Promise<KafkaPlace> {
  const given = process.env['KAFKA_BROKERS'];
  if (given) return { brokers: given.split(','), prefix: TOPIC_PREFIX };
  return { brokers: [await startBroker(children)], prefix: TOPIC_PREFIX };
}

async function demo({ kafka: onKafka, quiet, json }: Options, children: AsyncDisposableStack): Promise<void> {
  const begin = performance.now();
  const figure = loadFigure1();
  const names = new FigureIndex(figure);
  const paint = new Paint(process.stdout);
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  if (!json) say(`${paint.strong(figure.title)}\n${paint.dim(figure.assumption)}\n`);
  const kafka = onKafka ? await kafkaPlace(children) : null;
  const nva = await startNva(kafka, children);
  const outcomes: StepOutcome[] = [];
  try {
    for await (const outcome of play(figure1Scenario, { figure, baseUrl: nva.baseUrl, kafka })) {
      outcomes.push(outcome);
      say(json ? JSON.stringify(outcome) : stepText(outcome, names, paint, quiet));
    }
  } catch (cause) {
    // If the NVA has died, that is the error to report.
    await nva.assertStillRunning();
    throw cause;
  }
  if (!json)
    say(
      summaryText(
        outcomes,
        names,
        kafka ? `by Kafka at ${kafka.brokers.join(',')}` : 'by Server-Sent Events',
        performance.now() - begin,
        paint,
      ),
    );
}

/**
 * Ends the children and this process on a signal, or when the output has no reader any more, with the exit code that shells use
 * for the signal. Errors that follow from the early end are not reported.
 */
function endEarly(children: AsyncDisposableStack): void {
  const end = (code: number) => (): void => {
    process.exitCode = code;
    void children.disposeAsync().finally(() => process.exit(code));
  };
  process.once('SIGINT', end(130));
  process.once('SIGTERM', end(143));
  process.stdout.on('error', end(141));
}

async function main(): Promise<void> {
  const options = readOptions();
  if (!options) return void process.stdout.write(USAGE);
  await using children = new AsyncDisposableStack();
  endEarly(children);
  await demo(options, children);
}

try {
  await main();
} catch (error) {
  if (process.exitCode === undefined) {
    process.stderr.write(`\n${new Paint(process.stderr).bad('✗')} ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
