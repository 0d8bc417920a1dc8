import { script, ShellCompDirective } from '@bomb.sh/tab';
import { Argument, type Command } from 'commander';
import { suggest } from '../completion/answers.ts';
import { BASH_SCRIPT } from '../completion/bash.ts';
import { write, type Io } from '../io.ts';
import { visible } from '../output/visible.ts';

const SHELLS = ['bash', 'zsh', 'fish'];

export function addCompletion(program: Command, io: Io): void {
  program
    .command('completion')
    .summary('print the completion script of a shell')
    .description(
      'Print the completion script of a shell. For bash: source <(nvactl completion bash); for zsh the same, after compinit; for fish: nvactl completion fish | source. It also completes VNIDs, ids of NVEs and tenant systems, and contexts.',
    )
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .action(async (shell: string) => {
      if (shell === 'bash') return write(io.stdout, BASH_SCRIPT);
      // The library prints by itself.
      script(shell, 'nvactl', 'nvactl');
    });

  // What the scripts call: suggestions, one a line, a tab before what it is; last what else may stand there.
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: string[]) => {
      const { items, files } = await suggest(program, words, io);
      const directive = files ? ShellCompDirective.ShellCompDirectiveDefault : ShellCompDirective.ShellCompDirectiveNoFileComp;
      const lines = items.map(({ value, description }) => `${value}\t${visible(description)}\n`);
      await write(io.stdout, `${lines.join('')}:${directive}\n`);
    });
}
