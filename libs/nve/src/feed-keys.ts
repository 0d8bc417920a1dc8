import { CONTEXT_KEY, memberKey, membershipKey, type FeedValue } from '@nva/codec';

const MEMBER_PREFIX = memberKey('');
const MAPPING_PREFIX = 'mapping/';
const MEMBERSHIP_PREFIX = 'vn/';

/** The kind of value under a key (contract, «Kafka»); null for a kind of key that this version does not know. */
export function valueTypeOf(key: string): FeedValue['type'] | null {
  if (key.startsWith(MAPPING_PREFIX)) return 'Mapping';
  if (key.startsWith(MEMBER_PREFIX)) return 'VnMember';
  if (key === CONTEXT_KEY) return 'VnContext';
  return key.startsWith(MEMBERSHIP_PREFIX) ? 'Membership' : null;
}

/** Whether the value belongs to the key: it has the right kind and, if the key contains a name, that name. */
export function belongsTo(key: string, value: FeedValue): boolean {
  if (valueTypeOf(key) !== value.type) return false;
  if (value.type === 'VnMember') return key === memberKey(value.data.nveId);
  if (value.type === 'Membership') return key === membershipKey(value.data.vnid);
  return true;
}
