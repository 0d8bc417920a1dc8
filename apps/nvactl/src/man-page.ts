import type { Argument, Command, Option } from 'commander';
import { EXIT_MEANINGS } from './exit-codes.ts';
import { VERSION } from './program.ts';

const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  ['NVACTL_SERVER', 'Address of the NVA. --server is stronger, and so is --context.'],
  ['NVACTL_TOKEN', 'The token itself. --token-file is stronger, and so is --context.'],
  ['XDG_CONFIG_HOME', 'Where the configuration is, instead of ~/.config.'],
  ['NO_COLOR', 'If it is set and not empty, nothing is coloured. Nothing is coloured in a pipe either.'],
];
const FILES: readonly (readonly [name: string, meaning: string])[] = [
  [
    '~/.config/nvactl/config.yaml',
    'The contexts, with their servers and tokens. Only its owner can read it (mode 0600); other modes are corrected.',
  ],
];
const EXAMPLES: readonly (readonly [command: string, meaning: string])[] = [
  ['nvactl context add lab --server http://127.0.0.1:3000', 'Remember a server; the first one is in use at once.'],
  ['nvactl get vns -o wide', 'List the VNs.'],
  ['nvactl apply -f network.yaml --dry-run', 'Show what must be done to make the network what the file says.'],
  ['nvactl move vm1-eth0 --to leaf-2', 'Move a tenant system.'],
  ['nvactl watch vn 100', 'Follow the table of a VN.'],
  ['nvactl explain 100 192.0.2.1', 'Why the address is in the VN, or is not.'],
];

/** The man page of a program, in the man macros of roff. It is checked in; a test compares. */
export function manPage(program: Command): string {
  const help = program.createHelp();
  return [
    `.TH NVACTL 1 "" "nvactl ${VERSION}" "Network Virtualization Authority"`,
    '.SH NAME',
    `nvactl \\- the command line of a Network Virtualization Authority`,
    '.SH SYNOPSIS',
    '.B nvactl',
    'command [arguments] [options]',
    '.SH DESCRIPTION',
    ...paragraphs(program.description()),
    '.SH COMMANDS',
    ...help
      .visibleCommands(program)
      .filter(isOurs)
      .flatMap((command) => commandSection(command, '.SS')),
    '.SH OPTIONS OF EVERY COMMAND',
    ...help.visibleOptions(program).flatMap(option),
    '.SH EXIT STATUS',
    ...EXIT_MEANINGS.flatMap(([code, meaning]) => tagged(String(code), meaning)),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([name, meaning]) => tagged(name, meaning)),
    '.SH FILES',
    ...FILES.flatMap(([name, meaning]) => tagged(name, meaning)),
    '.SH EXAMPLES',
    ...EXAMPLES.flatMap(([command, meaning]) => tagged(command, meaning)),
    '',
  ].join('\n');
}

/** commander's own help command says nothing that the page does not. */
const isOurs = (command: Command): boolean => command.name() !== 'help';

function commandSection(command: Command, heading: '.SS' | '.PP'): readonly string[] {
  const help = command.createHelp();
  const usage = `${command.parent?.parent ? `${command.parent.name()} ` : ''}${command.name()} ${command.usage()}`;
  return [
    ...(heading === '.SS' ? [`.SS ${escaped(usage)}`] : ['.PP', `.B ${escaped(usage)}`, '.br']),
    ...paragraphs(command.description() || command.summary()),
    ...help.visibleArguments(command).flatMap(argument),
    ...help
      .visibleOptions(command)
      .filter(({ long }) => long !== '--help')
      .flatMap(option),
    ...help
      .visibleCommands(command)
      .filter(isOurs)
      .flatMap((inner) => commandSection(inner, '.PP')),
  ];
}

function argument(one: Argument): readonly string[] {
  const choices = one.argChoices ? ` (${one.argChoices.join(', ')})` : '';
  return tagged(one.required ? `<${one.name()}>` : `[${one.name()}]`, `${one.description}${choices}`);
}

function option({ flags, description, argChoices, defaultValue }: Option): readonly string[] {
  const choices = argChoices ? ` (${argChoices.join(', ')})` : '';
  const fallback = typeof defaultValue === 'number' || typeof defaultValue === 'string' ? `; ${defaultValue} unless given` : '';
  return tagged(flags, `${description}${choices}${fallback}`);
}

const tagged = (tag: string, text: string): readonly string[] => [
  '.TP',
  `.B ${escaped(tag)}`,
  ...text
    .split('\n')
    .filter((line) => line !== '')
    .map(escaped),
];

/** Blank lines part paragraphs; a line that is indented stands by itself. */
function paragraphs(text: string): readonly string[] {
  return text.split('\n').map((line) => (line === '' ? '.PP' : line.startsWith('  ') ? `.br\n${escaped(line.trim())}` : escaped(line)));
}

/** A line of text must not be taken for a request, nor its hyphens for what may be broken. */
function escaped(text: string): string {
  const plain = text.replaceAll('\\', '\\e').replaceAll('-', '\\-');
  return /^[.']/.test(plain) ? `\\&${plain}` : plain;
}
