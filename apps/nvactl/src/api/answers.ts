/** The answers of the NVA that nvactl reads, by their names in docs/contract.md. Fields that it shows nowhere are left out. */

export interface Instant {
  readonly position: string;
  readonly recordedAt: string;
}

export interface Vn {
  readonly vnid: number;
  readonly tenantId: string;
  readonly name: string;
  readonly service: string;
  readonly encapsulation: string;
  readonly context: Policies;
  readonly members: number;
  readonly tenantSystems: number;
  readonly digest: string;
  readonly digestPosition: string;
  readonly revision: number;
  readonly position: string;
}

export interface Policies {
  readonly access: Readonly<Record<string, string>>;
  readonly tunnel: Readonly<Record<string, string>>;
}

export interface Member {
  readonly nveId: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly reachable: boolean;
  readonly tenantSystems?: number;
  readonly since?: string;
  readonly position?: string;
}

export interface Attachment {
  readonly nveId: string;
  readonly logicalInterface?: string | null;
  readonly state: string;
}

export interface Conflict {
  readonly vnid: number;
  readonly address: string;
  readonly heldBy?: string;
}

/** As distributed; what is held back has `conflicts` and no position. */
export interface Mapping {
  readonly vnid?: number;
  readonly tsId: string;
  readonly bid: number | null;
  readonly mac: string;
  readonly ip: string | null;
  readonly vlan: number | null;
  readonly attachments: readonly Attachment[];
  readonly mobility?: number;
  readonly via?: string | null;
  readonly position?: string;
  readonly conflicts?: readonly Conflict[];
}

export interface Applied {
  readonly log: string;
  readonly position: string;
  readonly digest: string;
  readonly verdict: string;
}

export interface Nve {
  readonly nveId: string;
  readonly siteId: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly incarnation: number;
  readonly leaseS: number | null;
  readonly status: string;
  readonly reachable: boolean;
  readonly tenantSystems: number;
  readonly identityAlarm: boolean;
  readonly memberships: readonly { readonly vnid: number; readonly since: string; readonly applied: Applied | null }[];
  readonly revision: number;
  readonly position: string;
}

export interface Binding {
  readonly bid: number | null;
  readonly vnid: number;
  readonly vlan: number | null;
  readonly ip: string | null;
  readonly lifetimeS: number | null;
}

export interface TenantSystem {
  readonly tsId: string;
  readonly tenantId: string;
  readonly vmId: string;
  readonly mac: string;
  readonly attachments: readonly Attachment[];
  readonly bindings: readonly Binding[];
  readonly failures: readonly { readonly nveId: string; readonly vnid: number | null }[];
  readonly mobility: number;
  readonly effective: boolean;
  readonly conflicts: readonly Conflict[];
  readonly orphaned: readonly number[];
  readonly memberships: readonly number[];
  readonly moveAlarm: boolean;
  readonly revision: number;
  readonly position: string;
}

export interface LoggedEvent {
  readonly position: string;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  readonly recordedAt: string;
  readonly actor: string;
  readonly correlationId: string;
}

export interface OracleGroup {
  readonly group: string;
  readonly urls: readonly string[];
  readonly nves: readonly string[];
  readonly sites: readonly string[];
  readonly tenants: readonly string[];
  readonly rest: boolean;
  readonly owner: { readonly oracleId: string; readonly url: string } | null;
}

/** An event as the history tells it. */
export interface Happened {
  readonly position: string;
  readonly recordedAt: string;
  readonly type: string;
  readonly entity: string;
  readonly actor: string;
  readonly what: string;
}

export interface Explanation {
  readonly vnid: number;
  readonly there: boolean;
  readonly reason: string;
  readonly tsId: string | null;
  readonly chain: readonly (Happened & { readonly contributed: readonly string[] })[];
  readonly partial: boolean;
  readonly sentences: readonly string[];
  readonly proof?: {
    readonly proven: readonly { readonly nveId: string; readonly position: string }[];
    readonly unproven: readonly { readonly nveId: string; readonly since: string | null; readonly why: string }[];
  } | null;
  readonly at: Instant;
}

export interface Trace {
  readonly from: string;
  readonly to: string;
  readonly vnid: number | null;
  readonly outcome: string;
  readonly steps: readonly Readonly<Record<string, unknown>>[];
  readonly sentences: readonly string[];
  readonly at: Instant;
}

export interface Reachability {
  readonly a: string;
  readonly b: string;
  readonly reachable: boolean;
  readonly intervals: readonly { readonly vnid: number; readonly began: Happened | null; readonly ended: Happened | null }[];
  readonly partial: boolean;
  readonly sentences: readonly string[];
  readonly from?: Instant;
  readonly to: Instant;
}

export type FeedValue = Readonly<Record<string, unknown>> | null;

export interface Difference {
  readonly vnid: number;
  readonly key: string;
  readonly change: string;
  readonly before: FeedValue;
  readonly after: FeedValue;
  readonly event: Happened;
}

export interface TimelineItem extends Happened {
  readonly changes: readonly { readonly vnid?: number; readonly nveId?: string; readonly key: string; readonly value: FeedValue }[];
}

/** Of a write. */
export interface Answer {
  readonly position: string;
  readonly revision: number;
  readonly effective: boolean;
  readonly conflicts: readonly Conflict[];
  readonly memberships: readonly number[];
}

/** Of a line of NDJSON: an answer, or why the line was refused. */
export type LineResult = { readonly line: number; readonly status: number } & Partial<Answer> & Partial<Problem>;

export interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly field: string;
  readonly received: unknown;
  readonly row: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly log: string;
  readonly foldPosition: string;
  readonly publishedPosition?: string;
}
