import { mappingKey, type AttachmentState, type Mapping } from '@nva/codec';
import type { Address, VnTable } from './vn-table.ts';

/** A binding of a tenant system in a VN, as its NVE knows it. */
export interface LocalBinding {
  readonly vnid: number;
  readonly vlan: number | null;
  readonly ip: string | null;
}

/** A tenant system that this NVE hosts, known from its own access side and not from the NVA. */
export interface LocalAttachment {
  readonly tsId: string;
  /** Its tenant; needed if this NVE hosts tenant systems of several tenants with the same id. */
  readonly tenantId?: string;
  /** Canonical spelling. */
  readonly mac: string;
  readonly state: AttachmentState;
  readonly bindings: readonly LocalBinding[];
}

/**
 * A difference between what the NVE hosts and what the NVA says (X7). After an attachment there always is one until the NVA's
 * record comes; one that stays is for an operator.
 */
export interface Disagreement {
  readonly vnid: number;
  readonly tsId: string;
  readonly key: string;
  readonly kind:
    /** Hosted here in a VN that the NVA did not put this NVE into. */
    | 'not-a-member'
    /** Hosted here, not in the VN's table: withheld (X2), removed, or not yet told. */
    | 'not-in-table'
    /** Hosted here, the table has it at other NVEs only. */
    | 'elsewhere'
    /** Hosted here with another MAC than in the table. */
    | 'other-mac'
    /** Hosted here in another phase than in the table (X5). */
    | 'other-state'
    /** The table has it here, and this NVE does not host it. */
    | 'not-hosted';
}

/** The NVE's own attachments. Nothing that the NVA says adds, changes or removes one (X7); its word is only compared with them. */
export class LocalAttachments {
  readonly #byTs = new Map<string, LocalAttachment>();
  /** By id, the number of tenants that have a tenant system of that id here. */
  readonly #ids = new Map<string, number>();

  /** By the key that `nameOf` makes. */
  get all(): ReadonlyMap<string, LocalAttachment> {
    return this.#byTs;
  }

  get(tsId: string, tenantId?: string): LocalAttachment | undefined {
    return this.#byTs.get(nameOf(tsId, tenantId));
  }

  /** Whether any tenant's tenant system of that id is hosted here. */
  hosts(tsId: string): boolean {
    return this.#ids.has(tsId);
  }

  set(attachment: LocalAttachment): void {
    const { tsId, tenantId } = attachment;
    const name = nameOf(tsId, tenantId);
    if (!this.#byTs.has(name)) this.#ids.set(tsId, (this.#ids.get(tsId) ?? 0) + 1);
    this.#byTs.set(name, attachment);
  }

  delete(tsId: string, tenantId?: string): boolean {
    if (!this.#byTs.delete(nameOf(tsId, tenantId))) return false;
    const others = this.#ids.get(tsId)! - 1;
    if (others > 0) this.#ids.set(tsId, others);
    else this.#ids.delete(tsId);
    return true;
  }

  /** VNs in which any attachment here has a binding. */
  vnids(): Set<number> {
    return new Set([...this.#byTs.values()].flatMap(({ bindings }) => bindings.map(({ vnid }) => vnid)));
  }

  /** The activated attachment here that owns the address in the VN; null if none does. */
  owner(vnid: number, address: Address): LocalAttachment | null {
    for (const attachment of this.#byTs.values()) {
      if (
        attachment.state === 'activated' &&
        attachment.bindings.some((binding) => binding.vnid === vnid && bears(attachment, binding, address))
      )
        return attachment;
    }
    return null;
  }

  /** `table` is the NVA's table of the VN; null if this NVE is not in the VN. Do not call it for a table that has not been read. */
  compare(vnid: number, table: VnTable | null): Disagreement[] {
    const found: Disagreement[] = [];
    const hosted = new Set<string>();
    for (const attachment of this.#byTs.values()) {
      for (const binding of attachment.bindings) {
        if (binding.vnid !== vnid) continue;
        const key = mappingKey({ tsId: attachment.tsId, ...binding });
        hosted.add(key);
        const kind = table ? disagreement(attachment, table.mapping(key), table.nveId) : 'not-a-member';
        if (kind) found.push({ vnid, tsId: attachment.tsId, key, kind });
      }
    }
    for (const [key, { tsId, via }] of table?.mappingsHere() ?? []) {
      if (!hosted.has(key) && via === null) found.push({ vnid, tsId, key, kind: 'not-hosted' });
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

/** No id contains an `@`. */
const nameOf = (tsId: string, tenantId: string | undefined): string => (tenantId === undefined ? tsId : `${tsId}@${tenantId}`);

function bears({ mac }: LocalAttachment, { ip, vlan }: LocalBinding, address: Address): boolean {
  if ('ip' in address) return ip === address.ip;
  return mac === address.mac && (address.vlan === undefined || vlan === address.vlan);
}

function disagreement(local: LocalAttachment, mapping: Mapping | null, nveId: string): Disagreement['kind'] | null {
  if (!mapping) return 'not-in-table';
  const here = mapping.attachments.find((attachment) => attachment.nveId === nveId);
  if (!here) return 'elsewhere';
  if (mapping.mac !== local.mac) return 'other-mac';
  return here.state === local.state ? null : 'other-state';
}
