import { Option, type Command } from 'commander';
import type { Answer, TenantSystem } from '../api/answers.ts';
import { part } from '../api/client.ts';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { Session, wholeNumber } from '../session.ts';

interface WriteOptions {
  readonly ifRevision?: number;
  readonly idempotencyKey?: string;
  readonly correlationId?: string;
}

interface AttachOptions extends WriteOptions {
  readonly nve: string;
  readonly tenant: string;
  readonly vm: string;
  readonly mac: string;
  readonly binding: readonly Readonly<Record<string, string | number>>[];
  readonly interface?: string;
  readonly state?: string;
  readonly add?: true;
}

interface MoveOptions extends WriteOptions {
  readonly to: string;
  readonly tenant?: string;
  readonly interface?: string;
  readonly state?: string;
  readonly add?: true;
}

interface DetachOptions extends WriteOptions {
  readonly nve?: string;
  readonly tenant?: string;
  readonly everywhere?: true;
}

const MAX_REVISION = Number.MAX_SAFE_INTEGER;
const STATES = ['associated', 'activated'];
const stateOption = (): Option =>
  new Option('--state <state>', 'associated prepares the place, activated (the default) uses it').choices(STATES);

export function addPlaces(program: Command, io: Io): void {
  withWriteOptions(
    program
      .command('attach')
      .summary('attach a tenant system to an NVE')
      .description(
        'Attach a tenant system to an NVE. Its bindings are the whole set: those that are not named end; without any they stay as they are.',
      )
      .argument('<ts>', 'id of the tenant system')
      .requiredOption('--nve <id>', 'where')
      .requiredOption('--tenant <id>', 'its tenant')
      .requiredOption('--vm <id>', 'the VM whose vNIC it is')
      .requiredOption('--mac <mac>', 'its MAC')
      .option('--binding <fields>', 'vnid=100,ip=192.0.2.1; also vlan=, bid=, lifetimeS=; may be repeated', readBinding, [])
      .option('--interface <name>', 'its access link at the NVE')
      .addOption(stateOption())
      .option('--add', 'keep the other NVEs that it is attached to'),
  ).action((tsId: string, options: AttachOptions, command: Command) => attach(new Session(command, io), tsId, options));

  withWriteOptions(
    program
      .command('move')
      .summary('move a tenant system to another NVE')
      .description(
        'Move a tenant system, with its bindings as they are, to another NVE. It is refused if somebody else changes the tenant system meanwhile.',
      )
      .argument('<ts>', 'id of the tenant system')
      .requiredOption('--to <id>', 'the NVE that it moves to')
      .option('--tenant <id>', 'its tenant, where several have a tenant system of that id')
      .option('--interface <name>', 'its access link there')
      .addOption(stateOption())
      .option('--add', 'keep the present NVE: the first half of a migration'),
  ).action((tsId: string, options: MoveOptions, command: Command) => move(new Session(command, io), tsId, options));

  withWriteOptions(
    program
      .command('detach')
      .summary('detach a tenant system')
      .description('Detach a tenant system from an NVE; without --nve from the one that it is attached to.')
      .argument('<ts>', 'id of the tenant system')
      .option('--nve <id>', 'from where')
      .option('--everywhere', 'from every NVE')
      .option('--tenant <id>', 'its tenant, where several have a tenant system of that id'),
  ).action((tsId: string, options: DetachOptions, command: Command) => detach(new Session(command, io), tsId, options));
}

function withWriteOptions(command: Command): Command {
  return command
    .option('--if-revision <number>', 'only if its stream is at this revision', (text) =>
      text === '-1' ? -1 : wholeNumber(text, 0, MAX_REVISION),
    )
    .option('--idempotency-key <key>', 'a repeat under the same key gets the first answer')
    .option('--correlation-id <id>', 'recorded in the event');
}

/** Reads `vnid=100,ip=192.0.2.1` into a line of bindings. */
export function readBinding(
  text: string,
  before: readonly Readonly<Record<string, string | number>>[] = [],
): readonly Readonly<Record<string, string | number>>[] {
  const line: Record<string, string | number> = {};
  for (const field of text.split(',')) {
    const [, name, value] = /^(vnid|ip|vlan|bid|lifetimeS)=(.+)$/.exec(field.trim()) ?? [];
    if (name === undefined || value === undefined)
      throw wrongUsage(`a binding is given as vnid=100,ip=192.0.2.1, not with ${JSON.stringify(field)}`);
    if (line[name] !== undefined) throw wrongUsage(`${name} is given twice in ${JSON.stringify(text)}`);
    line[name] = name === 'ip' ? value : wholeNumber(value, 0, 0x7f_ff_ff_ff);
  }
  return [...before, line];
}

async function attach(session: Session, tsId: string, options: AttachOptions): Promise<void> {
  const { nve, tenant, vm, mac, binding, state, add } = options;
  const body = {
    tenantId: tenant,
    vmId: vm,
    mac,
    ...(binding.length > 0 && { bindings: binding }),
    ...(options.interface !== undefined && { logicalInterface: options.interface }),
    ...(state !== undefined && { state }),
    ...(add && { placement: 'add' }),
    ...(options.ifRevision !== undefined && { ifRevision: options.ifRevision }),
  };
  await written(session, 'PUT', at(nve, tsId), body, options, tsId, `${tsId} is attached to ${nve}`);
}

async function move(session: Session, tsId: string, options: MoveOptions): Promise<void> {
  const ts = await read(session, tsId, options.tenant);
  if (ts.attachments.length === 0) throw new Failure(EXIT.notFound, `tenant system ${tsId} is attached nowhere`);
  const from = ts.attachments.map(({ nveId }) => nveId).join(', ');
  const body = {
    tenantId: ts.tenantId,
    vmId: ts.vmId,
    mac: ts.mac,
    ...(options.interface !== undefined && { logicalInterface: options.interface }),
    ...(options.state !== undefined && { state: options.state }),
    ...(options.add && { placement: 'add' }),
    ifRevision: options.ifRevision ?? ts.revision,
  };
  const done = options.add ? `${tsId} is at ${options.to} too, besides ${from}` : `${tsId} moved from ${from} to ${options.to}`;
  await written(session, 'PUT', at(options.to, tsId), body, options, tsId, done);
}

async function detach(session: Session, tsId: string, options: DetachOptions): Promise<void> {
  if (options.nve !== undefined && options.everywhere) throw wrongUsage('--nve and --everywhere exclude each other');
  const guard = { ...(options.tenant !== undefined && { tenantId: options.tenant }) };
  if (options.everywhere) {
    const body = { ...guard, ...(options.ifRevision !== undefined && { ifRevision: options.ifRevision }) };
    return written(session, 'DELETE', `/v1/tenant-systems/${part(tsId)}`, body, options, tsId, `${tsId} is detached everywhere`);
  }
  let { nve, ifRevision } = options;
  if (nve === undefined) {
    const ts = await read(session, tsId, options.tenant);
    const [first, ...others] = ts.attachments;
    if (!first) throw new Failure(EXIT.notFound, `tenant system ${tsId} is attached nowhere`);
    if (others.length > 0)
      throw wrongUsage(`${tsId} is at ${ts.attachments.map(({ nveId }) => nveId).join(' and ')}: say which with --nve, or --everywhere`);
    nve = first.nveId;
    ifRevision ??= ts.revision;
  }
  await written(
    session,
    'DELETE',
    at(nve, tsId),
    { ...guard, ...(ifRevision !== undefined && { ifRevision }) },
    options,
    tsId,
    `${tsId} is detached from ${nve}`,
  );
}

const at = (nveId: string, tsId: string): string => `/v1/nves/${part(nveId)}/tenant-systems/${part(tsId)}`;

function read(session: Session, tsId: string, tenantId: string | undefined): Promise<TenantSystem> {
  return session.client.get<TenantSystem>(`/v1/tenant-systems/${part(tsId)}`, { tenantId });
}

async function written(
  session: Session,
  method: 'PUT' | 'DELETE',
  path: string,
  body: object,
  { idempotencyKey, correlationId }: WriteOptions,
  tsId: string,
  done: string,
): Promise<void> {
  const { status, body: answer } = await session.client.call<Answer>(method, path, {
    body,
    headers: {
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      ...(correlationId !== undefined && { 'x-correlation-id': correlationId }),
    },
  });
  await session.show(
    answer,
    () => [`ts/${tsId}`],
    () => `${done} (position ${answer.position}${answer.memberships.length > 0 ? `, in VN ${answer.memberships.join(', ')}` : ''})\n`,
  );
  if (status !== 202) return;
  const held = answer.conflicts.map(({ vnid, address, heldBy }) => `; ${address} in VN ${vnid} is held by ${heldBy ?? 'somebody else'}`);
  throw new Failure(EXIT.notEffective, `it is recorded, and not effective${held.join('')}`);
}
