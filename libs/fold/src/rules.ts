import type { Binding, Mapping, PublishedAttachment, VnContext, VnMember } from '@nva/codec';
import type { Nve, TenantSystem, Vn } from '@nva/domain';
import { contextValue, mappingValue, memberValue } from './model.ts';

/**
 * What the records of a VN's table say. The rules are part of the log's meaning: each log says by `FoldUpgraded` from which position on
 * which version of them holds, and what they change is a change of that event. So a released version is never edited; what should be
 * different from now on is a new one. A version that is no longer here cannot fold the logs that began with it.
 */
export interface FoldRules {
  readonly context: (vn: Vn) => VnContext;
  readonly member: (nve: Nve) => VnMember;
  /** null: held back. `attachments` says where the VN is reached, and is never empty. */
  readonly mapping: (ts: TenantSystem, binding: Binding, attachments: readonly PublishedAttachment[]) => Mapping | null;
}

/** By version, from 1 on: a log begins with the first. */
export const RULES: readonly FoldRules[] = [{ context: contextValue, member: memberValue, mapping: mappingValue }];

/** The version that this build brings every log to. */
export const FOLD_VERSION = RULES.length;
