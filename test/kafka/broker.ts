import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
// By their paths: this runs before anything is built, and without the condition by which sources are found.
import { freePort } from '../../libs/processes/src/free-port.ts';
import { tethered } from '../../libs/processes/src/tethered.ts';
import { answersApiVersions } from './answers.ts';
import { classArchive } from './class-archive.ts';
import { brokerClassPath, findJava, type Java } from './jars.ts';

const run = promisify(execFile);

const HEAP_MB = 512;
const QUICK_START_FLAGS = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];
const START_TIMEOUT_MS = 240_000;
const STOP_TIMEOUT_MS = 60_000;
const POLL_INTERVAL_MS = 50;
/** A port that was free when asked for may be taken when the broker binds it. */
const MAX_START_ATTEMPTS = 3;
const LOG_TAIL_CHARS = 4_000;
const NVA_PASSWORD = 'nva-secret';
/** Any 16 bytes in base64url: the clusters of tests never meet. */
const CLUSTER_ID = 'bnZvMy10ZXN0LWJyb2tlcg';

export interface BrokerOptions {
  /** Where clients connect; a free one by default. */
  readonly port?: number;
  /** Kept at the end. By default a temporary folder that goes with the broker. */
  readonly dataDir?: string;
  /** Lines of server.properties that replace or join those below. */
  readonly overrides?: Readonly<Record<string, string | number | boolean>>;
  /**
   * Passwords by name: the broker then knows who it speaks to (SASL_PLAINTEXT, SCRAM-SHA-256), and allows only what a rule allows.
   * `NVA` may do everything.
   */
  readonly users?: Readonly<Record<string, string>>;
  /** Passwords by name, for `overrides` that say where the broker asks for them; nothing else is set. */
  readonly scramUsers?: Readonly<Record<string, string>>;
  /**
   * Its throughput is measured: Java compiles for that. By default Java does what makes a start cheap, since most brokers of tests
   * live for seconds.
   */
  readonly measured?: boolean;
}

/** The super user of a broker that has users. */
export const NVA = { mechanism: 'scram-sha-256', username: 'nva', password: NVA_PASSWORD } as const;

export interface RunningBroker {
  /** Bootstrap address, `127.0.0.1:<port>`. */
  readonly brokers: string;
  readonly pid: number;
  /** The broker's log; removed with its data. */
  readonly logFile: string;
  kill(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void;
  /** Ends the process and removes its temporary folder. */
  stop(): Promise<void>;
}

/** A single-node KRaft broker for tests: starts in seconds, compacts when told to, rebalances at once. */
export async function startBroker(options: BrokerOptions = {}): Promise<RunningBroker> {
  const jvm = await findJvm(options.measured ?? false);
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(jvm, options);
    } catch (failure) {
      const portTaken = String(failure).includes('Address already in use');
      if (options.port !== undefined || !portTaken || attempt === MAX_START_ATTEMPTS) throw failure;
    }
  }
}

interface Jvm {
  readonly java: Java;
  readonly classPath: string;
  /** Of everything that it runs. */
  readonly flags: readonly string[];
}

/** By its flags, a quick start costs a third of the processor time of one without: 1.9 s for 5.9 s where this was measured. */
async function findJvm(measured: boolean): Promise<Jvm> {
  const [java, classPath] = [await findJava(), await brokerClassPath()];
  if (measured) return { java, classPath, flags: [] };
  const archive = await classArchive(java, async (brokerFlags, home) => {
    const broker = await startOnce({ java, classPath, flags: QUICK_START_FLAGS }, { dataDir: join(home, 'broker') }, brokerFlags);
    await broker.stop();
  });
  return { java, classPath, flags: [...QUICK_START_FLAGS, ...(archive === null ? [] : [`-XX:SharedArchiveFile=${archive}`])] };
}

async function startOnce(jvm: Jvm, options: BrokerOptions, brokerFlags: readonly string[] = []): Promise<RunningBroker> {
  const home = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'nvo3-kafka-')));
  await mkdir(home, { recursive: true });
  const port = options.port ?? (await freePort());
  const properties = join(home, 'server.properties');
  const logFile = join(home, 'server.log');
  const settings = {
    ...serverProperties(port, await freePort(), join(home, 'data')),
    ...(options.users && secured(port, await freePort())),
    ...options.overrides,
  };
  await writeFile(
    properties,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const flags = [
    ...jvm.flags,
    `-Xmx${HEAP_MB}m`,
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-cp',
    jvm.classPath,
  ];
  if (!existsSync(join(home, 'data', 'meta.properties'))) {
    await run(jvm.java.command, [
      ...flags,
      'kafka.tools.StorageTool',
      'format',
      '-t',
      CLUSTER_ID,
      '-c',
      properties,
      ...scram(options.users ? { ...options.users, [NVA.username]: NVA.password } : (options.scramUsers ?? {})),
    ]);
  }
  const child = spawn(...tethered(jvm.java.command, [...flags, ...brokerFlags, 'kafka.Kafka', properties]), {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(logFile, { flags: 'a' });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const reap = (): void => void child.kill('SIGKILL');
  process.once('exit', reap);

  const stop = async (): Promise<void> => {
    process.off('exit', reap);
    await end(child);
    log.end();
    if (options.dataDir === undefined) await rm(home, { recursive: true, force: true });
  };
  try {
    await untilAnswering(child, port, logFile);
  } catch (failure) {
    await stop();
    throw failure;
  }
  return { brokers: `127.0.0.1:${port}`, pid: child.pid!, logFile, kill: (signal) => void child.kill(signal), stop };
}

function serverProperties(port: number, controllerPort: number, dataDir: string): Record<string, string | number | boolean> {
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'listeners': `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': dataDir,
    'num.network.threads': 2,
    'num.io.threads': 4,
    // What the NVA asks of any broker.
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    // One node.
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    // Between brokers; bounds what one lost answer to a transaction's markers costs.
    'request.timeout.ms': 5_000,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    // Compaction looks for work many times a second instead of every 15 s, and forgets replaced segments at once.
    'log.cleaner.backoff.ms': 100,
    'log.cleaner.dedupe.buffer.size': 16 * 1024 * 1024,
    'log.initial.task.delay.ms': 100,
    'log.retention.check.interval.ms': 500,
    'log.segment.delete.delay.ms': 100,
  };
}

/** The listener for clients asks who they are; the one between broker and controller, on the same node, does not. */
function secured(port: number, controllerPort: number): Record<string, string | number | boolean> {
  return {
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'listeners': `SASL_PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'sasl.enabled.mechanisms': 'SCRAM-SHA-256',
    'listener.security.protocol.map': 'SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    // A broker writes the markers of transactions to itself as a client.
    'security.inter.broker.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-256',
    'listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username="${NVA.username}" password="${NVA.password}";`,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'allow.everyone.if.no.acl.found': false,
    // Nobody is anonymous but the broker, at its controller.
    'super.users': `User:${NVA.username};User:ANONYMOUS`,
  };
}

const scram = (users: Readonly<Record<string, string>>): string[] =>
  Object.entries(users).flatMap(([name, password]) => ['--add-scram', `SCRAM-SHA-256=[name=${name},password=${password}]`]);

async function untilAnswering(child: ChildProcess, port: number, logFile: string): Promise<void> {
  const giveUpAt = performance.now() + START_TIMEOUT_MS;
  while (!(await answersApiVersions(port))) {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (ended || performance.now() > giveUpAt) {
      const tail = readFileSync(logFile, 'utf8').slice(-LOG_TAIL_CHARS);
      throw new Error(`The Kafka broker ${ended ? 'ended' : `did not answer within ${START_TIMEOUT_MS} ms`}:\n${tail}`);
    }
    await sleep(POLL_INTERVAL_MS);
  }
}

/** SIGTERM first, so that a kept data directory is left in order; SIGCONT so that a stopped process can heed it. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  child.kill('SIGCONT');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
