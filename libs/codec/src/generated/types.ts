// Generated from schemas/ by `npm run generate`. Do not edit.

/** Where a tenant system is attached: one NVE and the access link to it. */
export interface Attachment {
  /** The NVE. */
  readonly nveId: string;
  /** Logical interface id of the access link at that NVE, a VLAN id or vSwitch port (R11). Never sent to a remote NVE. */
  readonly logicalInterface: string | null;
  /** associated or activated (X5). */
  readonly state: AttachmentState;
}

/** Two-phase attachment (RFC 8394): associated is in the tables but not forwarding, activated forwards (X5). */
export type AttachmentState = 'associated' | 'activated';

/** Who caused an event, when and on whose request. */
export interface Audit {
  /** Milliseconds since 1970-01-01T00:00:00Z, by the clock of the NVA process that decided the event. */
  readonly recordedAt: number;
  /** The authenticated caller: operator:<name>, nve:<nveId>, or system:<part> for what the NVA decided itself. */
  readonly actor: string;
  /** The X-Correlation-Id of the request, or one made for it; follows the change through logs, log and feed. */
  readonly correlationId: string;
  /** The Idempotency-Key of the request, if it had one; unique per actor for 24 hours. */
  readonly idempotencyKey: string | null;
  /** SHA-256 of the request in hex, present with idempotencyKey: the same key with another body is refused. */
  readonly requestDigest: string | null;
}

/** One connection of a tenant system to a VN: BID and address (R16, R18, R23, R24). */
export interface Binding {
  /** Binding identifier, 1 to 65535, unique per tenant system; null while the only address has none (R19). */
  readonly bid: number | null;
  /** Virtual network identifier, 1 to 16777215. */
  readonly vnid: number;
  /** VLAN id 1 to 4094 in an L2 VN, null there for frames without a tag; always null in an L3 VN. */
  readonly vlan: number | null;
  /** IPv4 dotted quad or IPv6 per RFC 5952; always set in an L3 VN, optional in an L2 VN. */
  readonly ip: string | null;
  /** Seconds after which the binding lapses unless renewed; null lasts until detached (R24a). */
  readonly lifetimeS: number | null;
}

/** A line of a registration, as an NVE gives it; null is a field that is absent. */
export interface CommandBinding {
  /** Binding identifier, 1 to 65535; null if the line gives none (R18). */
  readonly bid: number | null;
  /** Virtual network identifier, 1 to 16777215; needed the first time. */
  readonly vnid: number | null;
  /** VLAN id 1 to 4094, in an L2 VN; null if the line gives none: of a new binding, frames without a tag. */
  readonly vlan: number | null;
  /** IP address, IPv4 or IPv6; needed the first time in an L3 VN. */
  readonly ip: string | null;
  /** Seconds until it lapses unless renewed; 0 de-registers, null asks for no lifetime (R24a). */
  readonly lifetimeS: number | null;
}

/** A tenant system that an NVE has. */
export interface HeldTenantSystem {
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** Its tenant; null is every tenant’s of that id. */
  readonly tenantId: string | null;
}

/** An address that the command claims and another tenant system holds (X2). */
export interface OutcomeConflict {
  /** Virtual network identifier, 1 to 16777215. */
  readonly vnid: number;
  /** The MAC, IP or VLAN and MAC. */
  readonly address: string;
  /** Who holds it, within one tenant only; otherwise null. */
  readonly heldBy: string | null;
}

/** Access and tunnel policies of a VN context (R50, R51), opaque to the NVA. */
export interface Policies {
  /** Attributes of the access path, by name. */
  readonly access: Readonly<Record<string, string>>;
  /** Traffic-engineering attributes of the tunnels, by name. */
  readonly tunnel: Readonly<Record<string, string>>;
}

/** Where a mapping is reached: the NVE and the phase of the attachment, without the access link (R11). */
export interface PublishedAttachment {
  /** The NVE that serves the tenant system; its addresses are in the member record of this NVE. */
  readonly nveId: string;
  /** associated or activated (X5). */
  readonly state: AttachmentState;
}

/** Forwarding service of a VN: l2 carries frames by MAC and VLAN, l3 carries packets by IP (R16, R50). */
export type Service = 'l2' | 'l3';

/** A tenant system stands ready to take what another one passes to it in the event of the given revision (AddressPassed). By itself it changes no table. It keeps the taker's stream: whatever else comes there first, the passing does not count. Without a holder it says that the tenant system waits no more. */
export interface AddressAwaited {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The taker: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The holder, a tenant system of the same tenant; null where it waits no more: a registrar that did not know whether what it waited for had come writes that before it decides anything about it. */
  readonly from: string | null;
  /** The revision of the holder's stream in which it passes the address; 0 without a holder. */
  readonly revision: number;
}

/** A tenant system passed an IP, its MAC or both to another one of its tenant, in one change. It counts only while the taker's last event is the AddressAwaited of this revision: else another writer came first there, and nothing happens. */
export interface AddressPassed {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The holder until then: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The taker, a tenant system of the same tenant. */
  readonly to: string;
  /** The revision of the taker's stream at which it awaits this. */
  readonly toRevision: number;
  /** The VN that the IP is passed in; null where only MACs are. */
  readonly vnid: number | null;
  /** The IP that the taker has from now on; null where only MACs are passed. */
  readonly ip: string | null;
  /** The holder's MAC from now on, aa:bb:cc:dd:ee:ff; null leaves it as it is. */
  readonly mac: string | null;
  /** Bindings of the holder as they now are: with the IP that it got in exchange, or without one. */
  readonly bindings: readonly Binding[];
  /** BIDs of the holder's bindings that ended; 0 is the binding without a BID. */
  readonly deregistered: readonly number[];
  /** The taker's MAC from now on, which was the holder's; null leaves it as it is. */
  readonly toMac: string | null;
  /** Bindings of the taker as they now are. A line replaces the binding with the same BID, or with the same VN and address. */
  readonly toBindings: readonly Binding[];
}

/** A binding of a tenant system was de-registered (R22). */
export interface BindingDeregistered {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** Its BID; 0 is the binding without one. */
  readonly bid: number;
}

/** Bindings ended because their lifetime ran out without renewal (R24a). */
export interface BindingsLapsed {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** Their BIDs; 0 is the binding without one. */
  readonly bids: readonly number[];
  /** The group whose owner decided it; null where one process owns every term. */
  readonly group: string | null;
  /** Position of the OracleTookOver that made it the owner; the lapse is void if another came before it in the log. */
  readonly owner: number | null;
}

/** Bindings of a tenant system were registered or changed, all in one step (R20). A line replaces the binding with the same BID, or with the same VN and address. */
export interface BindingsRegistered {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The bindings as they now are. */
  readonly bindings: readonly Binding[];
  /** BIDs of the bindings that ended in the same step (lifetime 0, R24a); 0 is the binding without a BID. */
  readonly deregistered: readonly number[];
}

/** A tenant system can no longer reach a VN through an NVE; attaching there again clears it (R56). */
export interface ConnectionFailed {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The NVE. */
  readonly nveId: string;
  /** The VN; null means every VN of the tenant system. */
  readonly vnid: number | null;
}

/** The rules of the fold changed; differences that they make carry this event’s position. */
export interface FoldUpgraded {
  /** Who, when and why. */
  readonly audit: Audit;
  /** Fold version before. */
  readonly fromVersion: number;
  /** Fold version from here on. */
  readonly toVersion: number;
}

/** The end of the log was lost, as by a restore from a backup, and that was accepted: from here on it is another log, whose positions are not those of the one before. No table changes. */
export interface LogRenewed {
  /** Who, when and why. */
  readonly audit: Audit;
  /** UUID of the log from here on. */
  readonly log: string;
  /** UUID of the log before. */
  readonly previousLog: string;
  /** Position of the last event that was still there; 0 if there was none. What stood after it under the UUID before is lost. */
  readonly head: number;
  /** Furthest position that the log before is known to have reached; null if nothing told of any beyond the head. */
  readonly lostTo: number | null;
  /** Why the loss was accepted, as whoever did so put it. */
  readonly reason: string;
}

/** The MAC of a tenant system changed, in all its VNs at once (R14, R15). */
export interface MacChanged {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The new MAC, aa:bb:cc:dd:ee:ff. */
  readonly mac: string;
}

/** An NVE connected, returned or announced new properties; it is reachable. */
export interface NveConnected {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The NVE. */
  readonly nveId: string;
  /** The site whose edge it is (R2). */
  readonly siteId: string;
  /** Its underlay MAC, aa:bb:cc:dd:ee:ff. */
  readonly mac: string;
  /** Its underlay IP addresses, preferred first. */
  readonly addresses: readonly string[];
  /** Grows with every restart of the NVE; a lower one is refused. */
  readonly incarnation: number;
  /** Seconds after which it counts as unreachable without a heartbeat; null has no lease. */
  readonly leaseS: number | null;
}

/** An NVE disconnected: unreachable at once, its attachments stay. */
export interface NveDisconnected {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The NVE. */
  readonly nveId: string;
}

/** An operator removed an NVE that had no attachments. */
export interface NveForgotten {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The NVE. */
  readonly nveId: string;
}

/** An NVE sent no heartbeat for the length of its lease: unreachable, its attachments stay. */
export interface NveLeaseLapsed {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The NVE. */
  readonly nveId: string;
  /** Grows with every restart of the NVE; a lower one is refused. */
  readonly incarnation: number;
  /** The group whose owner decided it; null where one process owns every term. */
  readonly group: string | null;
  /** Position of the OracleTookOver that made it the owner; the lapse is void if another came before it in the log. */
  readonly owner: number | null;
}

/** A heartbeat restored an NVE whose lease had lapsed: reachable. */
export interface NveRestored {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The NVE. */
  readonly nveId: string;
  /** Grows with every restart of the NVE; a lower one is refused. */
  readonly incarnation: number;
}

/** A registrar took the terms of a group over: from here on its lapses count, and those that an earlier owner decided do not. */
export interface OracleTookOver {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The group of tenant systems (R34). */
  readonly group: string;
  /** UUID of the registrar process. */
  readonly oracleId: string;
  /** Where it is reached by other registrars. */
  readonly url: string;
}

/** A tenant system that was attached nowhere is now attached to an NVE (R33, R45 to R48). */
export interface TenantSystemAttached {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The tenant that the tenant system belongs to. */
  readonly tenantId: string;
  /** The VM whose vNIC it is. */
  readonly vmId: string;
  /** Its MAC, aa:bb:cc:dd:ee:ff (R13). */
  readonly mac: string;
  /** The attachment as it now is. */
  readonly attachment: Attachment;
  /** The whole set of its bindings; may be empty. */
  readonly bindings: readonly Binding[];
  /** Mobility sequence number of the tenant system, never decreasing over its life (RFC 7432 section 7.7): greater by one than before if it was last at another NVE. */
  readonly mobility: number;
}

/** A tenant system is attached to one more NVE and keeps the others: multihoming or the first half of a migration (X5). */
export interface TenantSystemAttachmentAdded {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The attachment as it now is. */
  readonly attachment: Attachment;
  /** The new MAC, aa:bb:cc:dd:ee:ff; null leaves it as it is. */
  readonly mac: string | null;
  /** The whole new set of bindings; null leaves them as they are. */
  readonly bindings: readonly Binding[] | null;
}

/** A tenant system was attached again at an NVE that it is at, with something changed: phase, access link, MAC, bindings, or a connection failure cleared. */
export interface TenantSystemAttachmentChanged {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The attachment as it now is. */
  readonly attachment: Attachment;
  /** The new MAC, aa:bb:cc:dd:ee:ff; null leaves it as it is. */
  readonly mac: string | null;
  /** The whole new set of bindings; null leaves them as they are. */
  readonly bindings: readonly Binding[] | null;
}

/** A tenant system left one NVE. From the last one it leaves every VN, and its bindings end (R49). */
export interface TenantSystemDetached {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The NVE that it left. */
  readonly nveId: string;
  /** Mobility sequence number, if it has moved by this: it is left at NVEs that were not its place. null leaves it as it is. */
  readonly mobility: number | null;
}

/** A tenant system left every other NVE and is now at this one (R55). */
export interface TenantSystemMoved {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The attachment as it now is. */
  readonly attachment: Attachment;
  /** The NVEs that it left. */
  readonly from: readonly string[];
  /** The new MAC, aa:bb:cc:dd:ee:ff; null leaves it as it is. */
  readonly mac: string | null;
  /** The whole new set of bindings; null leaves them as they are. */
  readonly bindings: readonly Binding[] | null;
  /** Mobility sequence number after it: greater by one, unless the NVE was its place already, and it has only left others. */
  readonly mobility: number;
  /** Moves within the last 180 seconds, this one included; more than 5 raise an alarm (X9, RFC 7432 section 15.1). 0 if the NVE was its place already. */
  readonly recentMoves: number;
}

/** An operator detached a tenant system from every NVE; its bindings end. */
export interface TenantSystemRemoved {
  /** Who, when and why. */
  readonly audit: Audit;
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** The NVEs that it was attached to. */
  readonly from: readonly string[];
}

/** A VN was created, or created again after its deletion: a new incarnation. */
export interface VnCreated {
  /** Who, when and why. */
  readonly audit: Audit;
  /** Virtual network identifier, 1 to 16777215. */
  readonly vnid: number;
  /** The tenant that owns it; never changes. */
  readonly tenantId: string;
  /** Name of the VN, for people (R37). */
  readonly name: string;
  /** l2 or l3; never changes. */
  readonly service: Service;
  /** Data plane encapsulation: vxlan, nvgre or mpls-gre (R25). */
  readonly encapsulation: 'vxlan' | 'nvgre' | 'mpls-gre';
  /** Access and tunnel policies (R50). */
  readonly policies: Policies;
}

/** A VN was deleted. The VNID stays its tenant’s until it is purged. */
export interface VnDeleted {
  /** Who, when and why. */
  readonly audit: Audit;
  /** Virtual network identifier, 1 to 16777215. */
  readonly vnid: number;
}

/** The topic of a deleted VN is gone, and the VNID is free for any tenant. */
export interface VnPurged {
  /** Who, when and why. */
  readonly audit: Audit;
  /** Virtual network identifier, 1 to 16777215. */
  readonly vnid: number;
}

/** An operator frees the VNID of a deleted VN before its time: its topic is deleted next, and VnPurged follows. */
export interface VnReleased {
  /** Who, when and why. */
  readonly audit: Audit;
  /** Virtual network identifier, 1 to 16777215. */
  readonly vnid: number;
  /** Why, in the operator's words: one line of text. */
  readonly reason: string;
}

/** The name, encapsulation or policies of a VN changed. */
export interface VnUpdated {
  /** Who, when and why. */
  readonly audit: Audit;
  /** Virtual network identifier, 1 to 16777215. */
  readonly vnid: number;
  /** Name of the VN, for people (R37). */
  readonly name: string;
  /** Data plane encapsulation: vxlan, nvgre or mpls-gre (R25). */
  readonly encapsulation: 'vxlan' | 'nvgre' | 'mpls-gre';
  /** Access and tunnel policies (R50). */
  readonly policies: Policies;
}

/** Value of key mapping/<tsId>/... on a VN’s topic: one connection of a tenant system to the VN (R8, R9). */
export interface Mapping {
  /** The tenant system: one vNIC of one VM (R1). */
  readonly tsId: string;
  /** Binding identifier, 1 to 65535; null if it has none (R12). */
  readonly bid: number | null;
  /** MAC of the tenant system, aa:bb:cc:dd:ee:ff. */
  readonly mac: string;
  /** IP of the tenant system; always set in an L3 VN. */
  readonly ip: string | null;
  /** VLAN id 1 to 4094 in an L2 VN. */
  readonly vlan: number | null;
  /** The NVEs that serve it: one, unless multihomed or migrating. */
  readonly attachments: readonly PublishedAttachment[];
  /** Mobility sequence number of the tenant system (RFC 7432 section 7.7). */
  readonly mobility: number;
  /** The interconnect that imported the mapping from another VN; null for the VN’s own (R53). */
  readonly via: string | null;
}

/** Value of key vn/<vnid> on an NVE’s topic: a VN that the NVE is in and where to follow it (X8). */
export interface Membership {
  /** Virtual network identifier, 1 to 16777215. */
  readonly vnid: number;
  /** The VN’s topic. */
  readonly topic: string;
  /** Bootstrap brokers of that topic, host:port; null means those of this topic. */
  readonly brokers: readonly string[] | null;
  /** Log position at which the membership began. */
  readonly since: number;
}

/** Value of key context on a VN’s topic: the VN itself (R37, R43, R50). */
export interface VnContext {
  /** Virtual network identifier, 1 to 16777215. */
  readonly vnid: number;
  /** Name of the VN, for people (R37). */
  readonly name: string;
  /** The tenant that owns the VN. */
  readonly tenantId: string;
  /** l2 or l3. */
  readonly service: Service;
  /** Data plane encapsulation: vxlan, nvgre or mpls-gre (R25). */
  readonly encapsulation: 'vxlan' | 'nvgre' | 'mpls-gre';
  /** Access and tunnel policies (R50). */
  readonly policies: Policies;
}

/** Value of key member/<nveId> on a VN’s topic: an NVE of the VN (R35, R37). */
export interface VnMember {
  /** The NVE. */
  readonly nveId: string;
  /** Its underlay MAC, aa:bb:cc:dd:ee:ff. */
  readonly mac: string;
  /** Its underlay IP addresses, preferred first. */
  readonly addresses: readonly string[];
  /** False while disconnected or lapsed; mappings through it stay and wait for its return. */
  readonly reachable: boolean;
}

/** Attach a tenant system to an NVE, or move it there (R45, R55). */
export interface AttachCommand {
  /** The NVE that sends the command; it speaks for itself only. */
  readonly nveId: string;
  /** The tenant system: one vNIC of one VM; the key of the record (R1). */
  readonly tsId: string;
  /** The tenant that it belongs to (R44). */
  readonly tenantId: string;
  /** The VM whose vNIC it is (R1). */
  readonly vmId: string;
  /** Its unicast MAC, in any usual spelling. */
  readonly mac: string;
  /** Access link at the NVE; never sent to a remote NVE (R11). */
  readonly logicalInterface: string | null;
  /** The whole set; null leaves it as it is, an empty list leaves none. */
  readonly bindings: readonly CommandBinding[] | null;
  /** Two-phase attachment; null is activated (X5). */
  readonly state: 'associated' | 'activated' | null;
  /** add keeps the other NVEs, move leaves them; null is move. */
  readonly placement: 'move' | 'add' | null;
  /** Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9). */
  readonly ifRevision: number | null;
}

/** Change the MAC of a tenant system in all its VNs (R14). */
export interface ChangeMacCommand {
  /** The tenant system: one vNIC of one VM; the key of the record (R1). */
  readonly tsId: string;
  /** Its tenant; null where no other tenant's tenant system of that id could be meant. */
  readonly tenantId: string | null;
  /** The new unicast MAC, in any usual spelling. */
  readonly mac: string;
  /** Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9). */
  readonly ifRevision: number | null;
}

/** What became of a command: an answer, or a refusal if code is set. The same as the line that NDJSON would have answered. */
export interface CommandOutcome {
  /** The key under which the command came. */
  readonly idempotencyKey: string;
  /** The correlation id under which the command came. */
  readonly correlationId: string;
  /** The HTTP status of the same answer: 200, 202 if it is recorded but not effective, or that of the refusal. */
  readonly status: number;
  /** Log position of the last event of what the command is about; null in a refusal. */
  readonly position: number | null;
  /** Revision of its stream, for ifRevision; null in a refusal. */
  readonly revision: number | null;
  /** False if it is recorded but does not count; null in a refusal. */
  readonly effective: boolean | null;
  /** Addresses that others hold. */
  readonly conflicts: readonly OutcomeConflict[];
  /** VNs that the tenant system is in, by VNID. */
  readonly memberships: readonly number[];
  /** Why it was refused, from the closed list of codes; null in an answer. */
  readonly code: string | null;
  /** The same for people; null in an answer. */
  readonly detail: string | null;
  /** The field at fault, as in the command; null if there is none. */
  readonly field: string | null;
  /** The value at fault as JSON, cut where it is long; null if there is none. */
  readonly received: string | null;
  /** The row of the requirements that refuses it; null if there is none. */
  readonly row: string | null;
  /** What would have been in order, as JSON; null if that is no value. */
  readonly expected: string | null;
  /** What was found instead, as JSON; null if that is no value. */
  readonly actual: string | null;
  /** Of a command about many tenant systems (keepOnly): how many it has changed; null in every other outcome. */
  readonly done: number | null;
  /** Of such a command: how many it has still to change, beyond its bound or refused; send it again under another key. null in every other outcome. */
  readonly remaining: number | null;
}

/** Connect notification of an NVE; the key of the record is nve/<nveId>. */
export interface ConnectNveCommand {
  /** The NVE that sends the command; it speaks for itself only. */
  readonly nveId: string;
  /** The site whose edge it is (R2). */
  readonly siteId: string;
  /** Its underlay MAC, in any usual spelling. */
  readonly mac: string;
  /** Its underlay IP addresses, 1 to 16, preferred first. */
  readonly addresses: readonly string[];
  /** Grows with every restart of the NVE; null gives none. */
  readonly incarnation: number | null;
  /** Seconds without heartbeat until it counts as unreachable; null is no lease. */
  readonly leaseS: number | null;
  /** Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9). */
  readonly ifRevision: number | null;
}

/** A tenant system can no longer reach a VN through an NVE; attaching there again clears it (R56). */
export interface ConnectionFailureCommand {
  /** The tenant system: one vNIC of one VM; the key of the record (R1). */
  readonly tsId: string;
  /** Its tenant; null where no other tenant's tenant system of that id could be meant. */
  readonly tenantId: string | null;
  /** The NVE that sends the command; it speaks for itself only. */
  readonly nveId: string;
  /** The VN, 1 to 16777215; null means all of them. */
  readonly vnid: number | null;
  /** Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9). */
  readonly ifRevision: number | null;
}

/** De-register a binding by its BID (R22). */
export interface DeregisterBindingCommand {
  /** The tenant system: one vNIC of one VM; the key of the record (R1). */
  readonly tsId: string;
  /** Its tenant; null where no other tenant's tenant system of that id could be meant. */
  readonly tenantId: string | null;
  /** Its BID, 1 to 65535; 0 is the binding without one. */
  readonly bid: number;
  /** Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9). */
  readonly ifRevision: number | null;
}

/** Detach a tenant system from an NVE. */
export interface DetachCommand {
  /** The NVE that sends the command; it speaks for itself only. */
  readonly nveId: string;
  /** The tenant system: one vNIC of one VM; the key of the record (R1). */
  readonly tsId: string;
  /** Its tenant; null where no other tenant's tenant system of that id could be meant. */
  readonly tenantId: string | null;
  /** Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9). */
  readonly ifRevision: number | null;
}

/** Disconnect an NVE: unreachable at once, its attachments stay; the key of the record is nve/<nveId>. */
export interface DisconnectNveCommand {
  /** The NVE that sends the command; it speaks for itself only. */
  readonly nveId: string;
  /** True would remove it, which is for operators; null is false. */
  readonly forget: boolean | null;
  /** Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9). */
  readonly ifRevision: number | null;
}

/** These are all the tenant systems that the NVE has: detach from it what is not among them. Send nothing else about tenant systems until its outcome is there. */
export interface KeepOnlyCommand {
  /** The NVE that sends the command; it speaks for itself only. */
  readonly nveId: string;
  /** The incarnation that it connected with, 0 where it gave none; any other than its present one is refused. */
  readonly incarnation: number;
  /** All that it has, up to 10,000; a command has at most 64 KiB. A device with more says it over REST. */
  readonly tenantSystems: readonly HeldTenantSystem[];
}

/** Pass an IP, the MAC or both from one tenant system to another of the same tenant, in one change; or exchange them (R13, X2). The NVE of the taker sends it. */
export interface PassAddressCommand {
  /** The tenant system that has the address (R1). */
  readonly tsId: string;
  /** The tenant of both; null where no other tenant's tenant system of the taker's id could be meant. */
  readonly tenantId: string | null;
  /** The tenant system that takes it, at the NVE that sends this; the key of the record. */
  readonly to: string;
  /** The VN of the IP; needed with it. */
  readonly vnid: number | null;
  /** The IP that passes; null where only the MAC does. */
  readonly ip: string | null;
  /** An IP of the taker in that VN, which goes the other way; null where none does. */
  readonly forIp: string | null;
  /** The MAC of the holder, where it passes too. */
  readonly mac: string | null;
  /** The MAC that the holder has from then on; null is the taker's former one, so that the two are exchanged. */
  readonly forMac: string | null;
  /** BID of the taker's binding, 1 to 65535; null is that of the holder's, where the taker has none of it. */
  readonly bid: number | null;
  /** VLAN of the taker's binding; null is the one by which it is in that VN, or else the holder's. */
  readonly vlan: number | null;
  /** Lifetime of the taker's binding in seconds; null is that of the holder's. */
  readonly lifetimeS: number | null;
  /** Refuse unless the holder's stream is at this revision; null asks for none (X9). */
  readonly ifRevision: number | null;
}

/** Register or renew one binding by its BID (R21, R22). */
export interface RegisterBindingCommand {
  /** The tenant system: one vNIC of one VM; the key of the record (R1). */
  readonly tsId: string;
  /** Its tenant; null where no other tenant's tenant system of that id could be meant. */
  readonly tenantId: string | null;
  /** Its BID, 1 to 65535; 0 is the binding without one. */
  readonly bid: number;
  /** Virtual network identifier, 1 to 16777215; needed the first time. */
  readonly vnid: number | null;
  /** VLAN id 1 to 4094, in an L2 VN; null if the line gives none. */
  readonly vlan: number | null;
  /** IP address, IPv4 or IPv6; needed the first time in an L3 VN. */
  readonly ip: string | null;
  /** Seconds until it lapses unless renewed; 0 de-registers, null asks for no lifetime (R24a). */
  readonly lifetimeS: number | null;
  /** Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9). */
  readonly ifRevision: number | null;
}

/** Register, change or renew several bindings, all or nothing (R20). */
export interface RegisterBindingsCommand {
  /** The tenant system: one vNIC of one VM; the key of the record (R1). */
  readonly tsId: string;
  /** Its tenant; null where no other tenant's tenant system of that id could be meant. */
  readonly tenantId: string | null;
  /** One line per binding. */
  readonly bindings: readonly CommandBinding[];
  /** Refuse unless the stream is at this revision, -1 if it must not exist; null asks for none (X9). */
  readonly ifRevision: number | null;
}

/** Where a tenant system is attached. */
export interface SnapshotAttachment {
  /** Place of the NVE among the NVEs of the snapshot, from 0. */
  readonly nve: number;
  /** The access link at that NVE. */
  readonly logicalInterface: string | null;
  /** associated or activated. */
  readonly state: AttachmentState;
}

/** What a tenant system waits for: that another one passes an address to it. */
export interface SnapshotAwaited {
  /** The other one, of the same tenant. */
  readonly from: string;
  /** The revision of its stream in which it passes the address. */
  readonly revision: number;
}

/** An address that somebody else held when an answer was given. */
export interface SnapshotConflict {
  /** The VN. */
  readonly vnid: number;
  /** The address. */
  readonly address: string;
  /** Who held it. */
  readonly heldBy: string;
}

/** A binding and what the fold knows of it. */
export interface SnapshotConnection {
  /** Its BID, if it has one. */
  readonly bid: number | null;
  /** Its VN. */
  readonly vnid: number;
  /** In an L2 VN. */
  readonly vlan: number | null;
  /** Its IP, if it has one. */
  readonly ip: string | null;
  /** Lifetime in seconds; null lasts until detached. */
  readonly lifetimeS: number | null;
  /** Position of its mapping record, 0 while it has none; null for an orphaned one. */
  readonly position: number | null;
}

/** An address that several tenant systems of a VN claim. */
export interface SnapshotContested {
  /** MAC or IP. */
  readonly address: string;
  /** Who claims it, in order of arrival; the first holds it. */
  readonly tsIds: readonly string[];
}

/** The digest of a feed. */
export interface SnapshotDigest {
  /** Key of the feed. */
  readonly feed: string;
  /** Of the change that made it so. */
  readonly position: number;
  /** 16 hex digits. */
  readonly digest: string;
}

/** A VN that a tenant system cannot reach through an NVE. */
export interface SnapshotFailure {
  /** The NVE. */
  readonly nveId: string;
  /** The VN; null is all of them. */
  readonly vnid: number | null;
}

/** What a snapshot is of: the first block of its file. */
export interface SnapshotHeader {
  /** UUID of the log that was folded. */
  readonly logId: string;
  /** Version of the rules of the fold that the log is at. */
  readonly rulesVersion: number;
  /** Revision of the stream that says so; -1 where it says nothing yet. */
  readonly rulesRevision: number;
  /** Everything up to this position of the log is in it, and nothing after. */
  readonly position: number;
  /** Where the store goes on reading after that position. */
  readonly checkpoint: string;
  /** Stream of the event at the position: with the next two, what the log must have there. */
  readonly stream: string;
  /** Revision of that event. */
  readonly revision: number;
  /** UUID of that event. */
  readonly eventId: string;
  /** Whether the Idempotency-Keys are in it: they are if a registrar took it. */
  readonly keys: boolean;
  /** Time that the log vouches for, in milliseconds. */
  readonly timeMs: number;
  /** Recorded time up to which the clock that wrote last was heard, ms since the epoch. */
  readonly timeNewest: number;
  /** The same of the clock before that one, if the two are far apart; 0 without one. */
  readonly timeOther: number;
}

/** An Idempotency-Key of the last 24 hours with its answer. */
export interface SnapshotKey {
  /** Whose key it is. */
  readonly actor: string;
  /** The key. */
  readonly key: string;
  /** SHA-256 of the request in hex. */
  readonly requestDigest: string;
  /** When its event was decided, ms since the epoch. */
  readonly recordedAt: number;
  /** Position in the answer. */
  readonly position: number;
  /** Revision in the answer. */
  readonly revision: number;
  /** Whether it counted. */
  readonly effective: boolean;
  /** Addresses that others held. */
  readonly conflicts: readonly SnapshotConflict[];
  /** VNs that the tenant system was in. */
  readonly memberships: readonly number[];
}

/** An NVE of the fold. */
export interface SnapshotNve {
  /** The NVE. */
  readonly nveId: string;
  /** null if it has only been spoken of. */
  readonly state: SnapshotNveState | null;
  /** Of its last event; -1 without one. */
  readonly revision: number;
  /** Of its last event; 0 without one. */
  readonly position: number;
}

/** What an NVE said of itself, and how it is. */
export interface SnapshotNveState {
  /** As the events left it. */
  readonly status: 'reachable' | 'lapsed' | 'disconnected' | 'forgotten';
  /** Its site. */
  readonly siteId: string;
  /** Its MAC. */
  readonly mac: string;
  /** Its underlay addresses. */
  readonly addresses: readonly string[];
  /** Of its last connect. */
  readonly incarnation: number;
  /** Lease in seconds; null without one. */
  readonly leaseS: number | null;
  /** Times at which it became another under one incarnation, ms since the epoch. */
  readonly identityChanges: readonly number[];
}

/** The registrar that owns the terms of a group. */
export interface SnapshotOracle {
  /** The group. */
  readonly group: string;
  /** UUID of the process. */
  readonly oracleId: string;
  /** Where it is reached. */
  readonly url: string;
  /** Position of the event that made it the owner. */
  readonly position: number;
  /** Revision of that event. */
  readonly revision: number;
}

/** A tenant system of the fold. */
export interface SnapshotTenantSystem {
  /** The tenant system. */
  readonly tsId: string;
  /** What its stream's name ends in, where that is not its id: another tenant had the id first. */
  readonly name: string | null;
  /** Place of its tenant among the names of the snapshot so far, from 0. */
  readonly tenant: number;
  /** The VM whose vNIC it is. */
  readonly vmId: string;
  /** Its MAC. */
  readonly mac: string;
  /** Where it is. */
  readonly attachments: readonly SnapshotAttachment[];
  /** Its connections to VNs. */
  readonly bindings: readonly SnapshotConnection[];
  /** What it cannot reach. */
  readonly failures: readonly SnapshotFailure[];
  /** Mobility sequence number. */
  readonly mobility: number;
  /** Times of its last moves, ms since the epoch. */
  readonly moves: readonly number[];
  /** NVEs that it was at when it was last counted as moved, where that is not the first of its attachments alone. */
  readonly place: readonly string[] | null;
  /** What its last event says that it waits for. */
  readonly awaits: SnapshotAwaited | null;
  /** Of its last event. */
  readonly revision: number;
  /** Of its last event. */
  readonly position: number;
}

/** How many entries of each kind came before: the last block of a whole file. */
export interface SnapshotTrailer {
  /** Owners of terms. */
  readonly oracles: number;
  /** NVEs. */
  readonly nves: number;
  /** VNs. */
  readonly vns: number;
  /** Names of tenants. */
  readonly names: number;
  /** Tenant systems. */
  readonly tenantSystems: number;
  /** Digests of feeds. */
  readonly digests: number;
  /** Idempotency-Keys. */
  readonly keys: number;
}

/** A VN of the fold, with who is in it. */
export interface SnapshotVn {
  /** Virtual network identifier. */
  readonly vnid: number;
  /** As the events left it. */
  readonly status: 'alive' | 'deleted' | 'purged';
  /** Whose it is. */
  readonly tenantId: string;
  /** Its name. */
  readonly name: string;
  /** What it carries. */
  readonly service: Service;
  /** Of its packets in the underlay. */
  readonly encapsulation: 'vxlan' | 'nvgre' | 'mpls-gre';
  /** Access and tunnel policies. */
  readonly policies: Policies;
  /** When it was deleted, ms since the epoch; null while it lives. */
  readonly deletedAt: number | null;
  /** The same by the time that the log vouches for. */
  readonly deletedAtMs: number | null;
  /** An operator has said that its VNID is to be free at once. */
  readonly released: boolean;
  /** Of its last event. */
  readonly revision: number;
  /** Of its last event. */
  readonly position: number;
  /** Position of the event that created it, this time. */
  readonly incarnation: number;
  /** Position of its context record. */
  readonly contextPosition: number;
  /** NVEs in it. */
  readonly members: readonly SnapshotVnMember[];
  /** MACs claimed more than once. */
  readonly contestedMacs: readonly SnapshotContested[];
  /** IPs claimed more than once. */
  readonly contestedIps: readonly SnapshotContested[];
}

/** An NVE in a VN. */
export interface SnapshotVnMember {
  /** Its place among the NVEs of the snapshot, from 0. */
  readonly nve: number;
  /** Position at which it joined. */
  readonly since: number;
  /** Position of its member record. */
  readonly position: number;
}

/** Every event of the log. */
export type NvaEvent =
  | { readonly type: 'AddressAwaited'; readonly data: AddressAwaited }
  | { readonly type: 'AddressPassed'; readonly data: AddressPassed }
  | { readonly type: 'BindingDeregistered'; readonly data: BindingDeregistered }
  | { readonly type: 'BindingsLapsed'; readonly data: BindingsLapsed }
  | { readonly type: 'BindingsRegistered'; readonly data: BindingsRegistered }
  | { readonly type: 'ConnectionFailed'; readonly data: ConnectionFailed }
  | { readonly type: 'FoldUpgraded'; readonly data: FoldUpgraded }
  | { readonly type: 'LogRenewed'; readonly data: LogRenewed }
  | { readonly type: 'MacChanged'; readonly data: MacChanged }
  | { readonly type: 'NveConnected'; readonly data: NveConnected }
  | { readonly type: 'NveDisconnected'; readonly data: NveDisconnected }
  | { readonly type: 'NveForgotten'; readonly data: NveForgotten }
  | { readonly type: 'NveLeaseLapsed'; readonly data: NveLeaseLapsed }
  | { readonly type: 'NveRestored'; readonly data: NveRestored }
  | { readonly type: 'OracleTookOver'; readonly data: OracleTookOver }
  | { readonly type: 'TenantSystemAttached'; readonly data: TenantSystemAttached }
  | { readonly type: 'TenantSystemAttachmentAdded'; readonly data: TenantSystemAttachmentAdded }
  | { readonly type: 'TenantSystemAttachmentChanged'; readonly data: TenantSystemAttachmentChanged }
  | { readonly type: 'TenantSystemDetached'; readonly data: TenantSystemDetached }
  | { readonly type: 'TenantSystemMoved'; readonly data: TenantSystemMoved }
  | { readonly type: 'TenantSystemRemoved'; readonly data: TenantSystemRemoved }
  | { readonly type: 'VnCreated'; readonly data: VnCreated }
  | { readonly type: 'VnDeleted'; readonly data: VnDeleted }
  | { readonly type: 'VnPurged'; readonly data: VnPurged }
  | { readonly type: 'VnReleased'; readonly data: VnReleased }
  | { readonly type: 'VnUpdated'; readonly data: VnUpdated };

/** Every value of a feed record. */
export type FeedValue =
  | { readonly type: 'Mapping'; readonly data: Mapping }
  | { readonly type: 'Membership'; readonly data: Membership }
  | { readonly type: 'VnContext'; readonly data: VnContext }
  | { readonly type: 'VnMember'; readonly data: VnMember };

/** What NVEs and the NVA tell each other of commands on Kafka. */
export type CommandMessage =
  | { readonly type: 'AttachCommand'; readonly data: AttachCommand }
  | { readonly type: 'ChangeMacCommand'; readonly data: ChangeMacCommand }
  | { readonly type: 'CommandOutcome'; readonly data: CommandOutcome }
  | { readonly type: 'ConnectNveCommand'; readonly data: ConnectNveCommand }
  | { readonly type: 'ConnectionFailureCommand'; readonly data: ConnectionFailureCommand }
  | { readonly type: 'DeregisterBindingCommand'; readonly data: DeregisterBindingCommand }
  | { readonly type: 'DetachCommand'; readonly data: DetachCommand }
  | { readonly type: 'DisconnectNveCommand'; readonly data: DisconnectNveCommand }
  | { readonly type: 'KeepOnlyCommand'; readonly data: KeepOnlyCommand }
  | { readonly type: 'PassAddressCommand'; readonly data: PassAddressCommand }
  | { readonly type: 'RegisterBindingCommand'; readonly data: RegisterBindingCommand }
  | { readonly type: 'RegisterBindingsCommand'; readonly data: RegisterBindingsCommand };
