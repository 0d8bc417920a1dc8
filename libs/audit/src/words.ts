import type { Binding, NvaEvent } from '@nva/codec';

/** An address with its VN, as people write it. */
const bindingText = ({ vnid, ip, vlan, bid }: Binding): string => {
  const address = [ip, vlan === null ? null : `VLAN ${vlan}`].filter((part) => part !== null).join(' on ');
  return `${address === '' ? 'its MAC' : address} in VN ${vnid}${bid === null ? '' : ` (BID ${bid})`}`;
};
const bindingsText = (bindings: readonly Binding[] | null): string =>
  bindings === null || bindings.length === 0 ? '' : ` with ${bindings.map(bindingText).join(', ')}`;
const list = (names: readonly (string | number)[]): string => names.join(', ');

/** What an event did, as the rest of a sentence that begins with who did it. */
export function whatIsDone({ type, data }: NvaEvent): string {
  switch (type) {
    case 'VnCreated':
      return `created VN ${data.vnid} («${data.name}») for tenant ${data.tenantId}`;
    case 'VnUpdated':
      return `changed VN ${data.vnid}`;
    case 'VnDeleted':
      return `deleted VN ${data.vnid}`;
    case 'VnReleased':
      return `released the VNID ${data.vnid}: ${data.reason}`;
    case 'VnPurged':
      return `purged VN ${data.vnid}, whose VNID is free again`;
    case 'NveConnected':
      return `connected NVE ${data.nveId} at ${list(data.addresses)}`;
    case 'NveRestored':
      return `restored NVE ${data.nveId}: it was heard again`;
    case 'NveDisconnected':
      return `disconnected NVE ${data.nveId}`;
    case 'NveLeaseLapsed':
      return `found that the lease of NVE ${data.nveId} had lapsed`;
    case 'NveForgotten':
      return `forgot NVE ${data.nveId}`;
    case 'TenantSystemAttached':
      return `attached ${data.tsId} (${data.mac}) at ${data.attachment.nveId}${bindingsText(data.bindings)}`;
    case 'TenantSystemMoved':
      return `moved ${data.tsId} from ${list(data.from)} to ${data.attachment.nveId}${bindingsText(data.bindings)}`;
    case 'TenantSystemAttachmentAdded':
      return `attached ${data.tsId} at ${data.attachment.nveId} too${bindingsText(data.bindings)}`;
    case 'TenantSystemAttachmentChanged':
      return `made the attachment of ${data.tsId} at ${data.attachment.nveId} ${data.attachment.state}${bindingsText(data.bindings)}`;
    case 'TenantSystemDetached':
      return `detached ${data.tsId} from ${data.nveId}`;
    case 'TenantSystemRemoved':
      return `removed ${data.tsId}${data.from.length === 0 ? '' : ` from ${list(data.from)}`}`;
    case 'BindingsRegistered': {
      const parts = [
        data.bindings.length > 0 && `registered ${data.bindings.map(bindingText).join(', ')}`,
        data.deregistered.length > 0 && `de-registered BID ${list(data.deregistered)}`,
      ].filter((part) => part !== false);
      return `${parts.join(' and ')} for ${data.tsId}`;
    }
    case 'BindingDeregistered':
      return `de-registered BID ${data.bid} of ${data.tsId}`;
    case 'BindingsLapsed':
      return `found that the lifetime of BID ${list(data.bids)} of ${data.tsId} had lapsed`;
    case 'MacChanged':
      return `changed the MAC of ${data.tsId} to ${data.mac}`;
    case 'ConnectionFailed':
      return `reported that ${data.tsId} does not reach ${data.vnid === null ? 'any VN' : `VN ${data.vnid}`} through ${data.nveId}`;
    case 'AddressAwaited':
      return `let ${data.tsId} wait for an address`;
    case 'AddressPassed':
      return `passed ${[data.ip, data.mac].filter((address) => address !== null).join(' and ')} from ${data.tsId} to ${data.to}`;
    case 'FoldUpgraded':
      return `changed the rules of the fold from version ${data.fromVersion} to ${data.toVersion}`;
    case 'OracleTookOver':
      return `made ${data.oracleId} the owner of the deadlines of group ${data.group}`;
    case 'LogRenewed':
      return `accepted that the log had lost its end after position ${data.head}`;
  }
}
