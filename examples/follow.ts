/**
 * An NVE that forwards nothing and shows its tables: `npm run follow -- <nveId>`. It follows the topics of its own and of its VNs at
 * KAFKA_BROKERS (127.0.0.1:9092 unless set), and writes a line for every entry that it gains (+), loses (-) or sees changed (~).
 */
import type { Mapping, VnContext, VnMember } from '@nva/codec';
import { KafkaFeedTransport } from '@nva/kafka';
import { NveClient, type TableChange } from '@nva/nve';

const [nveId] = process.argv.slice(2);
if (nveId === undefined) {
  process.stderr.write('npm run follow -- <nveId>, such as leaf-1\n');
  process.exit(1);
}

const transport = new KafkaFeedTransport({
  brokers: (process.env['KAFKA_BROKERS'] ?? '127.0.0.1:9092').split(','),
  prefix: process.env['FEED_PREFIX'] ?? 'nvo3',
  nveId,
});
const client = new NveClient({ nveId, transport });
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const warn = (line: string): void => void process.stderr.write(`${line}\n`);

client.on('joined', ({ vnid }) => say(`VN ${vnid}  ${nveId} joins`));
client.on('left', ({ vnid }) => say(`VN ${vnid}  ${nveId} leaves`));
client.on('change', ({ vnid, changes }) => {
  for (const change of [...changes].toSorted(inOrder)) say(`VN ${vnid}  ${lineOf(change)}`);
});
// What is at hand stays in use meanwhile.
client.on('interrupted', ({ cause }) => warn(`the brokers cannot be followed now, and nothing is withdrawn: ${cause.message}`));
client.on('resumed', () => warn('the brokers are followed again'));
client.start();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void client.close().then(() => transport.close()));
}

/** What the VN is, who is in it, what they have. */
function inOrder(a: TableChange, b: TableChange): number {
  const kinds = ['context', 'member', 'mapping'];
  return kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || a.key.localeCompare(b.key, 'en', { numeric: true });
}

function lineOf({ kind, before, after }: TableChange): string {
  const sign = before === null ? '+' : after === null ? '-' : '~';
  const [value, former] = [(after ?? before)!, after && before];
  if (kind === 'context') return `${sign} ${contextText(value as VnContext)}`;
  if (kind === 'member') return `${sign} ${memberText(value as VnMember)}`;
  const was = former === null ? '' : `, was at ${placesOf(former as Mapping)}`;
  return `${sign} ${mappingText(value as Mapping)}${was}`;
}

const contextText = ({ name, service, encapsulation }: VnContext): string => `«${name}», ${service} over ${encapsulation}`;
const memberText = ({ nveId: id, addresses, reachable }: VnMember): string =>
  `${id}, tunnel to ${addresses.join(' or ')}${reachable ? '' : ', unreachable'}`;
const placesOf = ({ attachments }: Mapping): string => attachments.map((attachment) => attachment.nveId).join(' and ');
const mappingText = (mapping: Mapping): string =>
  `${mapping.ip ?? `VLAN ${mapping.vlan ?? 'untagged'}`} ${mapping.mac} (${mapping.tsId}) at ${placesOf(mapping)}`;
