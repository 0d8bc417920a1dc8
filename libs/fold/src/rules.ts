import type { Binding, Mapping, PublishedAttachment, VnContext, VnMember } from '@nva/codec';
import type { Nve, TenantSystem, Vn } from '@nva/domain';
import { contextValue, mappingValue, memberValue } from './model.ts';

/**
 * The rules for what the records of a VN's table say. They are part of the log's meaning: each log says by `FoldUpgraded` from
 * which position on which version holds, and the records that an upgrade changes belong to that event. So a released version is
 * never edited; a difference from now on needs a new version. A build without a version cannot fold the logs that began with it.
 */
export interface FoldRules {
  readonly context: (vn: Vn) => VnContext;
  readonly member: (nve: Nve) => VnMember;
  /** null: the mapping is withheld. `attachments` says where the VN is reached, and is never empty. */
  readonly mapping: (ts: TenantSystem, binding: Binding, attachments: readonly PublishedAttachment[]) => Mapping | null;
}

/** By version, from 1 on; every log begins with version 1. */
export const RULES: readonly FoldRules[] = [{ context: contextValue, member: memberValue, mapping: mappingValue }];

/** The version to which this build upgrades every log. */
export const FOLD_VERSION = RULES.length;
