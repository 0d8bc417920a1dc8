import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const HERE = import.meta.dirname;
const POM = join(HERE, 'pom.xml');
/** What is fetched and made once for this checkout. */
export const KAFKA_CACHE = join(HERE, '..', '..', '.cache', 'kafka');

/** Oldest Java that a Kafka 4 broker runs on. */
const MIN_JAVA = 17;
const RESOLVE_TIMEOUT_MS = 300_000;

export const KAFKA_VERSION = /<kafka\.version>([^<]+)</.exec(readFileSync(POM, 'utf8'))![1]!;

/** Something that has to be installed, or KAFKA_BROKERS, is missing; the message says what. */
export class BrokerMissing extends Error {
  override readonly name = 'BrokerMissing';
}

export interface Java {
  readonly command: string;
  /** What it says that it is. */
  readonly banner: string;
}

/** A Java that can run the broker. Throws BrokerMissing. */
export async function findJava(): Promise<Java> {
  const home = process.env['JAVA_HOME'];
  const command = home && existsSync(join(home, 'bin', 'java')) ? join(home, 'bin', 'java') : 'java';
  let banner: string;
  try {
    banner = (await run(command, ['-version'])).stderr;
  } catch (cause) {
    throw new BrokerMissing(
      `No Kafka to test on: neither Java (${MIN_JAVA} or newer, on PATH or under JAVA_HOME) nor KAFKA_BROKERS was found`,
      { cause },
    );
  }
  const major = Number(/version "(\d+)/.exec(banner)?.[1]);
  if (!(major >= MIN_JAVA))
    throw new BrokerMissing(
      `No Kafka to test on: the broker needs Java ${MIN_JAVA} or newer, found «${banner.split('\n')[0]}», and KAFKA_BROKERS is not set`,
    );
  return { command, banner };
}

/**
 * Class path of the broker: a folder of jars under .cache, fetched from Maven Central on first use. Two processes may fetch at
 * once; each fills a folder of its own, and the first to be done names it. Throws BrokerMissing.
 */
export async function brokerClassPath(): Promise<string> {
  const folder = join(KAFKA_CACHE, KAFKA_VERSION);
  if (!existsSync(folder)) {
    await mkdir(KAFKA_CACHE, { recursive: true });
    const partial = await mkdtemp(join(KAFKA_CACHE, 'partial-'));
    try {
      await run('mvn', ['-B', '-q', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${partial}`, '-DincludeScope=runtime'], {
        timeout: RESOLVE_TIMEOUT_MS,
      });
      await rename(partial, folder);
    } catch (cause) {
      await rm(partial, { recursive: true, force: true });
      if (!existsSync(folder))
        throw new BrokerMissing(
          `The jars of Kafka ${KAFKA_VERSION} are not in ${folder} and «mvn» could not fetch them (is Maven installed, and the network there?); or set KAFKA_BROKERS`,
          { cause },
        );
    }
  }
  return join(folder, '*');
}
