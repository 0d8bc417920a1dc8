import { Command } from 'commander';
import { addApply } from './commands/apply.ts';
import { addArchive } from './commands/archive.ts';
import { addCompletion } from './commands/completion.ts';
import { addContext } from './commands/context.ts';
import { addDescribe } from './commands/describe.ts';
import { addGet } from './commands/get.ts';
import { addHistory } from './commands/history.ts';
import { addPlaces } from './commands/places.ts';
import { addProof } from './commands/proof.ts';
import { addReplay } from './commands/replay.ts';
import { addTop } from './commands/top.ts';
import { addVerify } from './commands/verify.ts';
import { addWatch } from './commands/watch.ts';
import { addWhatIf } from './commands/what-if.ts';
import { EXIT_MEANINGS } from './exit-codes.ts';
import type { Io } from './io.ts';
import { addGlobalOptions } from './session.ts';

export const VERSION = '0.1.0';

/** In the order in which help and man page show them. A new command is a function here. */
const COMMANDS = [
  addGet,
  addDescribe,
  addApply,
  addPlaces,
  addWatch,
  addHistory,
  addWhatIf,
  addArchive,
  addReplay,
  addProof,
  addVerify,
  addTop,
  addContext,
  addCompletion,
];

/** Every command of nvactl. A wrong use throws a CommanderError instead of ending the process. */
export function createProgram(io: Io): Command {
  const program = addGlobalOptions(new Command('nvactl'))
    .description('Look at and change the virtual networks of a Network Virtualization Authority (NVA).')
    .version(VERSION)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns || 100,
      getErrHelpWidth: () => io.stderr.columns || 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', `\nExit codes:\n${EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padEnd(4)} ${meaning}`).join('\n')}`);
  for (const add of COMMANDS) add(program, io);
  return program;
}
