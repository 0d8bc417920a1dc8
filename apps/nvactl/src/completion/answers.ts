import { createOption, type Argument, type Command, type Option } from 'commander';
import type { Nve, TenantSystem, Vn } from '../api/answers.ts';
import { NvaClient } from '../api/client.ts';
import { readContexts } from '../config/contexts.ts';
import { targetOf, type TargetOptions } from '../config/target.ts';
import type { Io } from '../io.ts';

/** What may stand where the cursor is: a value, and what it is. */
export interface Suggestion {
  readonly value: string;
  readonly description: string;
}

export interface Suggestions {
  readonly items: readonly Suggestion[];
  /** Names of files may stand there. */
  readonly files: boolean;
}

/** So many names are asked for, and waited for so long: whoever pressed the key waits. */
const MAX_NAMES = 500;
const WITHIN_MS = 1_500;
/** Only what needs no quoting in any shell is suggested, whatever a server calls it. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._@%+:/-]{0,127}$/;

type Source = 'vn' | 'nve' | 'site' | 'ts' | 'tenant' | 'context' | 'file' | 'none';

const OPTION_SOURCES: Readonly<Record<string, Source>> = {
  'vn': 'vn',
  'vn-deleted': 'vn',
  'nve': 'nve',
  'to': 'nve',
  'nve-fails': 'nve',
  'site-fails': 'site',
  'ts': 'ts',
  'tenant': 'tenant',
  'context': 'context',
  'file': 'file',
  'token-file': 'file',
  'data-dir': 'file',
  'into': 'file',
  'out': 'file',
  'snapshots': 'file',
};
const ARGUMENT_SOURCES: Readonly<Record<string, Source>> = { vnid: 'vn', ts: 'ts', a: 'ts', b: 'ts', from: 'ts', file: 'file' };
const KIND_SOURCES: Readonly<Record<string, Source>> = {
  'vn': 'vn',
  'vns': 'vn',
  'nve': 'nve',
  'nves': 'nve',
  'ts': 'ts',
  'tenant-system': 'ts',
  'tenant-systems': 'ts',
};

/** What may stand in place of the last word. Names at the NVA are asked for; if it does not answer soon, there are none. */
export async function suggest(program: Command, words: readonly string[], io: Io): Promise<Suggestions> {
  const current = words.at(-1) ?? '';
  const { command, values, pending, target } = walk(program, words.slice(0, -1));
  const asked = pending ?? optionWithValue(command, current);
  if (asked) {
    const prefix = pending ? '' : current.slice(0, current.indexOf('=') + 1);
    const { items, files } = await ofOption(asked, command, target, io);
    return {
      items: matching(
        items.map((item) => ({ ...item, value: prefix + item.value })),
        current,
      ),
      files,
    };
  }
  if (current.startsWith('-')) return { items: matching(optionsOf(command).flatMap(optionNames), current), files: false };
  const subcommands = command.createHelp().visibleCommands(command);
  if (subcommands.length > 0 && values.length === 0) {
    return {
      items: matching(
        subcommands.map((one) => ({ value: one.name(), description: one.summary() || one.description() })),
        current,
      ),
      files: false,
    };
  }
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[values.length] ?? (last?.variadic ? last : undefined);
  if (!argument) return { items: [], files: false };
  const { items, files } = await ofArgument(argument, command, values, target, io);
  return { items: matching(items, current), files };
}

interface Walked {
  readonly command: Command;
  /** Positional words of that command so far. */
  readonly values: readonly string[];
  /** The option whose value comes next. */
  readonly pending: Option | null;
  readonly target: TargetOptions;
}

/** Goes through the words before the cursor as commander will. */
function walk(program: Command, words: readonly string[]): Walked {
  let command = program;
  let values: string[] = [];
  let pending: Option | null = null;
  const target: Record<string, string> = {};
  const take = (option: Option, value: string): void => {
    if (['server', 'tokenFile', 'context'].includes(option.attributeName())) target[option.attributeName()] = value;
  };
  for (const word of words) {
    if (pending) {
      take(pending, word);
      pending = null;
    } else if (word.startsWith('-') && word !== '-') {
      const withValue = optionWithValue(command, word);
      if (withValue) take(withValue, word.slice(word.indexOf('=') + 1));
      else pending = optionsOf(command).find((option) => option.required && (option.long === word || option.short === word)) ?? null;
    } else {
      const next = values.length === 0 ? command.commands.find((one) => one.name() === word) : undefined;
      if (next) [command, values] = [next, []];
      else values.push(word);
    }
  }
  return { command, values, pending, target };
}

/** Those of the command and of all above it. */
function optionsOf(command: Command): readonly Option[] {
  const own: Option[] = [];
  for (let one: Command | null = command; one; one = one.parent) own.push(...one.options.filter(({ hidden }) => !hidden));
  return [...own, createOption('-h, --help', 'show help')];
}

/** The option of a word `--option=value`. */
function optionWithValue(command: Command, word: string): Option | null {
  const [, name] = /^(--[^=]+)=/.exec(word) ?? [];
  return optionsOf(command).find((option) => option.long === name && option.required) ?? null;
}

const optionNames = (option: Option): readonly Suggestion[] =>
  option.long ? [{ value: option.long, description: option.description }] : [];

async function ofOption(option: Option, command: Command, target: TargetOptions, io: Io): Promise<Suggestions> {
  if (option.argChoices) return { items: option.argChoices.map((value) => ({ value, description: '' })), files: false };
  const name = option.long?.slice(2) ?? '';
  // Of every other command it is an instant.
  const source = name === 'to' && command.name() !== 'move' ? 'none' : (OPTION_SOURCES[name] ?? 'none');
  return source === 'file' ? { items: [], files: true } : { items: await names(source, target, io), files: false };
}

async function ofArgument(
  argument: Argument,
  command: Command,
  values: readonly string[],
  target: TargetOptions,
  io: Io,
): Promise<Suggestions> {
  if (argument.argChoices) return { items: argument.argChoices.map((value) => ({ value, description: '' })), files: false };
  if (command.parent?.name() === 'context')
    return { items: command.name() === 'add' ? [] : await names('context', target, io), files: false };
  const ofKind = argument.name() === 'id' || argument.name() === 'ids' ? KIND_SOURCES[values[0] ?? ''] : undefined;
  const source = ofKind ?? ARGUMENT_SOURCES[argument.name()] ?? 'none';
  return { items: await names(source, target, io), files: source === 'file' };
}

async function names(source: Source, target: TargetOptions, io: Io): Promise<readonly Suggestion[]> {
  try {
    if (source === 'context')
      return Object.entries(readContexts(io).contexts).map(([value, { server }]) => ({ value, description: server }));
    if (source === 'none' || source === 'file') return [];
    const signal = AbortSignal.any([io.signal, AbortSignal.timeout(WITHIN_MS)]);
    const client = new NvaClient({ ...targetOf(target, io), timeoutMs: WITHIN_MS }, { signal, clock: io.clock });
    return (await fromNva(client, source)).filter(({ value }) => PLAIN.test(value));
  } catch {
    // No server, no token, no answer: nothing is suggested, and the line of the user is left alone.
    return [];
  }
}

async function fromNva(client: NvaClient, source: 'vn' | 'nve' | 'site' | 'ts' | 'tenant'): Promise<readonly Suggestion[]> {
  const first = async <T>(path: string): Promise<readonly T[]> =>
    (await client.get<{ readonly items: readonly T[] }>(path, { limit: MAX_NAMES })).items;
  switch (source) {
    case 'vn':
      return (await first<Vn>('/v1/vns')).map(({ vnid, name }) => ({ value: String(vnid), description: name }));
    case 'tenant':
      return (await first<Vn>('/v1/vns')).map(({ tenantId }) => ({ value: tenantId, description: '' }));
    case 'nve':
      return (await first<Nve>('/v1/nves')).map(({ nveId, siteId }) => ({ value: nveId, description: siteId }));
    case 'site':
      return (await first<Nve>('/v1/nves')).map(({ siteId }) => ({ value: siteId, description: '' }));
    case 'ts':
      return (await first<TenantSystem>('/v1/tenant-systems')).map(({ tsId, tenantId }) => ({ value: tsId, description: tenantId }));
  }
}

/** Each once, in order. */
function matching(items: readonly Suggestion[], current: string): readonly Suggestion[] {
  const found = new Map<string, Suggestion>();
  for (const item of items) {
    if (item.value.startsWith(current) && !found.has(item.value)) found.set(item.value, item);
  }
  return [...found.values()].toSorted((a, b) => (a.value < b.value ? -1 : 1));
}
