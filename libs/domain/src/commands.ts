import type { NveCommand } from './nve.decider.ts';
import type { TenantSystemCommand } from './tenant-system.decider.ts';
import type { VnCommand } from './vn.decider.ts';

/** Every command that the NVA decides. */
export type Command = TenantSystemCommand | VnCommand | NveCommand;
