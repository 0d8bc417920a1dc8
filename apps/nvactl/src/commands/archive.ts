import { readArchive, type ArchivedEvent } from '@nva/codec';
import { importLog } from '@nva/event-log';
import { Player } from '@nva/replay';
import type { Command } from 'commander';
import { join } from 'node:path';
import { newFile, type Put } from '../archive/new-file.ts';
import { explained, fileSource, makeFolder } from '../archive/source.ts';
import { interrupted } from '../api/client.ts';
import type { Io } from '../io.ts';
import { Progress } from '../output/progress.ts';
import { Session, wholeNumber } from '../session.ts';

/** Where an NVA keeps its log, below DATA_DIR. */
const LOG_FOLDER = 'log';

export function addArchive(program: Command, io: Io): void {
  program
    .command('export')
    .summary('save the log as an Avro file: a backup, and what proofs are made of')
    .description(
      'Save every event of the log, up to now or to an instant, as an Avro object container file. The file is there when it is whole: until then it has «.part» at its end.',
    )
    .argument('<file>', 'the file to make; it may not be there yet')
    .option('--to <instant>', 'the last event is the one at this position or time (RFC 3339)')
    .action((file: string, options: { readonly to?: string }, command: Command) => save(new Session(command, io), file, options.to));
  program
    .command('import')
    .summary('make the log of a new data folder from an Avro file')
    .description(
      'Make the log of a data folder from a file that export made: the same events with the same ids and positions, and the same UUID. A log that is there is never replaced. Before the first start of an NVA whose log had gone further than the file, run accept-loss (docs/operations.md, «Back-up and restore»).',
    )
    .argument('<file>', 'the file that export made')
    .requiredOption('--data-dir <folder>', 'DATA_DIR of the NVA; it has no log yet')
    .option('--to <position>', 'leave out what comes after this position', (text) => wholeNumber(text, 1, Number.MAX_SAFE_INTEGER))
    .action((file: string, options: { readonly dataDir: string; readonly to?: number }, command: Command) =>
      bring(new Session(command, io), file, options),
    );
}

async function save(session: Session, file: string, to: string | undefined): Promise<void> {
  const saved = await explained('what the NVA sent', () => newFile(file, (put) => copied(session, put, to)));
  await session.show(
    { file, ...saved, position: String(saved.position) },
    () => [file],
    () => `${saved.events} events up to position ${saved.position} of log ${saved.log} are in ${file}\n`,
  );
}

/** Copies what comes, and reads it meanwhile: a file that is not whole is not kept. */
async function copied(session: Session, put: Put, to: string | undefined) {
  const pieces = session.client.bytes('/v1/export', to === undefined ? {} : { to });
  async function* tee(): AsyncGenerator<Uint8Array, void> {
    for await (const piece of pieces) {
      await put(piece);
      yield piece;
    }
  }
  const { header, events } = await readArchive(tee());
  using progress = new Progress(session.io, 'export', header.to);
  let count = 0;
  for await (const batch of events) {
    count += batch.length;
    progress.update(batch.at(-1)!.position);
  }
  return { log: header.log, events: count, position: header.to };
}

async function bring(session: Session, file: string, { dataDir, to }: { readonly dataDir: string; readonly to?: number }): Promise<void> {
  const { io } = session;
  const source = fileSource(file, session);
  const position = await explained(file, async () => {
    const archive = await source.open();
    const { log: logId, schemas, to: end } = archive.header;
    using progress = new Progress(io, 'import', Math.min(end, to ?? end));
    await makeFolder(dataDir);
    // Events that an NVA could not fold would only be refused by its start.
    const player = new Player(archive, { ...(to !== undefined && { to }), clock: io.clock, signal: io.signal });
    return importLog(
      { directory: join(dataDir, LOG_FOLDER), logId, schemas, clock: io.clock, progress: (done) => progress.update(done) },
      untilCtrlC(player.play(), io.signal),
    );
  });
  if (to !== undefined && position < to) session.say(`the file ends at position ${position}, before ${to}`);
  await session.show(
    { dataDir, position: String(position) },
    () => [dataDir],
    () => `the log in ${dataDir} has every event up to position ${position}\n`,
  );
}

/** A Ctrl-C ends the events, and with them what is made of them. */
async function* untilCtrlC(
  events: AsyncIterable<readonly ArchivedEvent[]>,
  signal: AbortSignal,
): AsyncGenerator<readonly ArchivedEvent[], void> {
  for await (const batch of events) {
    if (signal.aborted) throw interrupted();
    yield batch;
  }
  if (signal.aborted) throw interrupted();
}
