import { csvFields } from '@nva/codec';
import { isAbsolute, resolve } from 'node:path';
import type { Command } from 'commander';
import { configPath, contextName, readContexts, serverUrl, writeContexts, type Context } from '../config/contexts.ts';
import { DEFAULT_SERVER, tokenText, type TargetOptions } from '../config/target.ts';
import { wrongUsage } from '../exit-codes.ts';
import { readStdin, type Io } from '../io.ts';
import { table } from '../output/table.ts';
import { Session } from '../session.ts';

export function addContext(program: Command, io: Io): void {
  const context = program
    .command('context')
    .summary('servers and tokens under names')
    .description('Keep servers and tokens under names in the configuration file, which only its owner can read.');

  context
    .command('add')
    .summary('add or replace a context')
    .description(
      'Add or replace a context: --server says where, --token-file names a file that is read each time. The first one is in use at once.',
    )
    .argument('<name>', 'its name')
    .option('--token-stdin', 'read the token from standard input and keep it in the configuration file')
    .option('--use', 'use it from now on')
    .action(async (name: string, options: { readonly tokenStdin?: true; readonly use?: true }, command: Command) => {
      const { server, tokenFile } = command.optsWithGlobals<TargetOptions>();
      if (options.tokenStdin && tokenFile !== undefined) throw wrongUsage('--token-stdin and --token-file exclude each other');
      const added: Context = {
        server: serverUrl(server ?? io.env['NVACTL_SERVER'] ?? DEFAULT_SERVER),
        ...(tokenFile !== undefined && { tokenFile: isAbsolute(tokenFile) ? tokenFile : resolve(tokenFile) }),
        ...(options.tokenStdin && { token: tokenText(await readStdin(io)) }),
      };
      const before = readContexts(io);
      const isFirst = Object.keys(before.contexts).length === 0;
      writeContexts(io, {
        current: options.use || isFirst ? contextName(name) : before.current,
        contexts: { ...before.contexts, [contextName(name)]: added },
      });
      new Session(command, io).say(`context ${name} is in ${configPath(io)}`);
    });

  context
    .command('use')
    .summary('use a context from now on')
    .argument('<name>', 'its name')
    .action((name: string, _options: unknown, command: Command) => {
      const before = existing(io, name);
      writeContexts(io, { ...before, current: name });
      new Session(command, io).say(`context ${name} is in use`);
    });

  context
    .command('list')
    .summary('list the contexts')
    .action(async (_options: unknown, command: Command) => {
      const session = new Session(command, io);
      const { current, contexts } = readContexts(io);
      const items = Object.entries(contexts).map(([name, { server, token, tokenFile }]) => ({
        name,
        current: name === current,
        server,
        // A token is never printed.
        token: token === undefined ? (tokenFile ?? null) : 'in the configuration file',
      }));
      await session.show(
        { items },
        () => items.map(({ name }) => name),
        () =>
          table(
            items,
            [
              { title: '', cell: (item, paint) => (item.current ? { text: '*', paint: paint.good } : '') },
              { title: 'NAME', cell: ({ name }) => name },
              { title: 'SERVER', cell: ({ server }) => server },
              { title: 'TOKEN', cell: ({ token }) => token ?? '-' },
            ],
            session.paint,
          ),
        {
          items,
          fields: csvFields<(typeof items)[number]>('name', 'current', 'server', 'token'),
        },
      );
    });

  context
    .command('remove')
    .summary('remove a context')
    .argument('<name>', 'its name')
    .action((name: string, _options: unknown, command: Command) => {
      const { current, contexts } = existing(io, name);
      const { [name]: _removed, ...rest } = contexts;
      writeContexts(io, { current: current === name ? null : current, contexts: rest });
      new Session(command, io).say(`context ${name} is removed`);
    });
}

function existing(io: Io, name: string): ReturnType<typeof readContexts> {
  const read = readContexts(io);
  if (!Object.hasOwn(read.contexts, name)) throw wrongUsage(`there is no context ${JSON.stringify(name)}`);
  return read;
}
