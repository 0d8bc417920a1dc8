import type { NvaEvent } from '@nva/codec';
import { nveStream, tsStream, vnStream } from '@nva/identifiers';
import type { NveCommand, NveEvent } from './nve.decider.ts';
import { tsNameOfCommand, type TenantSystemNames } from './naming.ts';
import type { TenantSystemCommand } from './tenant-system.decider.ts';
import type { TenantSystemEvent } from './tenant-system.ts';
import type { VnCommand, VnEvent } from './vn.decider.ts';

/** Every command that the NVA decides. */
export type Command = TenantSystemCommand | VnCommand | NveCommand;

export type Aggregate = 'ts' | 'vn' | 'nve';

const AGGREGATE_OF_COMMAND: Readonly<Record<Command['type'], Aggregate>> = {
  attach: 'ts',
  detach: 'ts',
  remove: 'ts',
  registerBindings: 'ts',
  registerBinding: 'ts',
  deregisterBinding: 'ts',
  lapseBindings: 'ts',
  changeMac: 'ts',
  connectionFailure: 'ts',
  passAddress: 'ts',
  putVn: 'vn',
  deleteVn: 'vn',
  releaseVn: 'vn',
  purgeVn: 'vn',
  connectNve: 'nve',
  disconnectNve: 'nve',
  heartbeat: 'nve',
  lapseNve: 'nve',
};

const AGGREGATE_OF_EVENT: Readonly<Record<NvaEvent['type'], Aggregate | 'fold' | 'oracle' | 'log'>> = {
  TenantSystemAttached: 'ts',
  TenantSystemMoved: 'ts',
  TenantSystemAttachmentAdded: 'ts',
  TenantSystemAttachmentChanged: 'ts',
  TenantSystemDetached: 'ts',
  TenantSystemRemoved: 'ts',
  BindingsRegistered: 'ts',
  BindingDeregistered: 'ts',
  BindingsLapsed: 'ts',
  MacChanged: 'ts',
  ConnectionFailed: 'ts',
  AddressAwaited: 'ts',
  AddressPassed: 'ts',
  VnCreated: 'vn',
  VnUpdated: 'vn',
  VnDeleted: 'vn',
  VnReleased: 'vn',
  VnPurged: 'vn',
  NveConnected: 'nve',
  NveDisconnected: 'nve',
  NveLeaseLapsed: 'nve',
  NveRestored: 'nve',
  NveForgotten: 'nve',
  FoldUpgraded: 'fold',
  OracleTookOver: 'oracle',
  LogRenewed: 'log',
};

export const isTenantSystemCommand = (command: Command): command is TenantSystemCommand => AGGREGATE_OF_COMMAND[command.type] === 'ts';
export const isVnCommand = (command: Command): command is VnCommand => AGGREGATE_OF_COMMAND[command.type] === 'vn';

export const isTenantSystemEvent = (event: NvaEvent): event is TenantSystemEvent => AGGREGATE_OF_EVENT[event.type] === 'ts';
export const isVnEvent = (event: NvaEvent): event is VnEvent => AGGREGATE_OF_EVENT[event.type] === 'vn';
export const isNveEvent = (event: NvaEvent): event is NveEvent => AGGREGATE_OF_EVENT[event.type] === 'nve';

/** The stream that a command's event would be appended to. Throws Refusal `ts-ambiguous` (see `tsNameOfCommand`, for `nveId` too). */
export function streamOf(command: Command, names: TenantSystemNames, nveId?: string): string {
  if (isTenantSystemCommand(command)) return tsStream(tsNameOfCommand(command, names, nveId));
  return isVnCommand(command) ? vnStream(command.vnid) : nveStream(command.nveId);
}
