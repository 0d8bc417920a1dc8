import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KAFKA_CACHE, KAFKA_VERSION, type Java } from './jars.ts';

/** Whoever makes an archive needs seconds; a claim that is older is of a process that was killed. */
const MAX_CLAIM_AGE_MS = 120_000;

/**
 * An archive of the classes that a broker loads (Java's «class data sharing»). With it, a start costs a third of the processor time.
 * There is one under .cache for each Java and each version of Kafka. The first caller has it made: `start` runs a broker with the
 * flags that it is given, in the folder that it is given, and ends it by SIGTERM. Callers that come meanwhile get null and go without,
 * as all do with a Java that makes no archives.
 */
export async function classArchive(
  { banner }: Java,
  start: (flags: readonly string[], home: string) => Promise<void>,
): Promise<string | null> {
  const archive = join(KAFKA_CACHE, `${KAFKA_VERSION}-${createHash('sha256').update(banner).digest('hex').slice(0, 12)}.jsa`);
  if (existsSync(archive)) return archive;
  const claim = `${archive}.claimed`;
  await mkdir(KAFKA_CACHE, { recursive: true });
  if (!(await take(claim))) return null;
  const home = await mkdtemp(join(KAFKA_CACHE, 'partial-'));
  try {
    const made = join(home, 'classes.jsa');
    await start([`-XX:ArchiveClassesAtExit=${made}`], home);
    await rename(made, archive);
    return archive;
  } catch {
    // A broker needs none. What keeps brokers from starting at all is told by the next start.
    return null;
  } finally {
    await rm(home, { recursive: true, force: true });
    await rmdir(claim);
  }
}

/** A folder is made by one process only. */
async function take(claim: string): Promise<boolean> {
  try {
    await mkdir(claim);
    return true;
  } catch {
    const since = await stat(claim).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.POSITIVE_INFINITY,
    );
    if (Date.now() - since > MAX_CLAIM_AGE_MS) await rmdir(claim).catch(() => undefined);
    return false;
  }
}
