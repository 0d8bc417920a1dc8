import {
  FeedRefused,
  FeedUnavailable,
  sleep,
  systemClock,
  type FeedAccess,
  type FeedName,
  type FeedRight,
  type ListedRight,
} from '@nva/ports';
import kafkajs, { type AclEntry, type AclFilter, type Admin, type Kafka } from 'kafkajs';
import { createClient } from './client.ts';
import { translated } from './failures.ts';
import { DEFAULT_PREFIX, silent, type KafkaClientOptions } from './options.ts';
import { TopicNames } from './topics.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;

/** Rules in one request; a controller accepts at most 10,000 records for one (Kafka, «MAX_RECORDS_PER_USER_OP»). */
const MAX_RULES_PER_REQUEST = 1_000;
/** Up to this number of NVEs, their new rules are looked up one by one; beyond it, all rules are read. */
const MAX_NVES_ASKED_FOR = 8;
const VISIBLE_POLL_MS = 10;
const VISIBLE_TIMEOUT_MS = 10_000;

export const DEFAULT_PRINCIPAL = 'User:{nveId}';
/** The placeholder of the NVE’s id in the template of principals. */
const PLACE = '{nveId}';
const NVE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const READS = [AclOperationTypes.READ, AclOperationTypes.DESCRIBE] as const;
const WRITES = [AclOperationTypes.WRITE, AclOperationTypes.DESCRIBE] as const;

export interface KafkaFeedAccessOptions extends KafkaClientOptions {
  /** The principal with which an NVE logs in, `{nveId}` standing for its id. `User:{nveId}` by default. */
  readonly principal?: string;
  /** Whether NVEs send commands over Kafka: the rules for that are granted and revoked with the right to the NVE's own feed. */
  readonly commands?: boolean;
}

/**
 * An NVE’s rights as rules (ACLs) of the brokers, all of them ALLOW from any host:
 *
 *     its own feed   READ, DESCRIBE  topic <prefix>.nve.<nveId>, topic <prefix>.schemas
 *                    READ            groups that begin with <prefix>-nve-<nveId>:
 *       with commands
 *                    WRITE, DESCRIBE topic <prefix>.commands
 *                    READ, DESCRIBE  topic <prefix>.nve.<nveId>.outcomes
 *     a VN’s feed    READ, DESCRIBE  topic <prefix>.vn.<vnid>
 *
 * Rules of other forms (other principals or operations, DENY, prefixes of topics) are an operator’s, and never touched. Every
 * rule of these forms belongs to this class, whoever made it.
 */
export class KafkaFeedAccess implements FeedAccess {
  readonly #client: Kafka;
  readonly #names: TopicNames;
  readonly #before: string;
  readonly #after: string;
  readonly #commands: boolean;
  #connected: Promise<Admin> | undefined;

  /** Throws FeedRefused if the prefix makes no valid topic names, or if principals cannot be told apart. */
  constructor(options: KafkaFeedAccessOptions) {
    const prefix = options.prefix ?? DEFAULT_PREFIX;
    const principal = options.principal ?? DEFAULT_PRINCIPAL;
    const parts = principal.split(PLACE);
    if (parts.length !== 2 || !/^[^\s:]+:/.test(principal))
      throw new FeedRefused(
        `A principal is a type, a colon and a name with ${PLACE} in it once, such as ${DEFAULT_PRINCIPAL}, received «${principal}»`,
      );
    [this.#before, this.#after] = parts as [string, string];
    this.#names = new TopicNames(prefix);
    this.#commands = options.commands ?? false;
    this.#client = createClient(options, options.clientId ?? `${prefix}-access`, options.log ?? silent);
  }

  list(): Promise<readonly ListedRight[]> {
    return this.#asking('Reading the rights', async (admin) => {
      const found = new Map<string, { readonly right: FeedRight; rules: number }>();
      for (const rule of await describe(admin)) {
        const right = this.#rightOf(rule);
        if (!right) continue;
        const name = JSON.stringify(right);
        const known = found.get(name);
        if (known) known.rules++;
        else found.set(name, { right, rules: 1 });
      }
      return [...found.values()].map(({ right, rules }) => ({ ...right, whole: rules === this.#rules(right).length }));
    });
  }

  async grant(rights: readonly FeedRight[]): Promise<void> {
    const rules = rights.flatMap((right) => this.#rules(right));
    if (rules.length === 0) return;
    await this.#asking(`Granting ${rights.length} rights`, async (admin) => {
      for (const acl of chunks(rules)) await admin.createAcls({ acl });
      await untilNone(admin, rules, 'could not be seen after they were made', (name, there) => !there.has(name));
    });
  }

  /** Also revokes the rules for commands, which exist if commands were switched on before. */
  async revoke(rights: readonly FeedRight[]): Promise<void> {
    const rules = rights.flatMap((right) => this.#rules(right, true));
    await this.#asking(`Revoking ${rights.length} rights`, async (admin) => {
      for (const filters of chunks(rules)) await admin.deleteAcls({ filters });
      await untilNone(admin, rules, 'were still in force after they were deleted', (name, there) => there.has(name));
    });
  }

  async close(): Promise<void> {
    const connected = this.#connected;
    this.#connected = undefined;
    await (await connected?.catch(() => undefined))?.disconnect();
  }

  #rules({ nveId, feed }: FeedRight, commands = this.#commands): AclEntry[] {
    const rule = { principal: `${this.#before}${nveId}${this.#after}`, host: '*', permissionType: AclPermissionTypes.ALLOW };
    const onTopic = (resourceName: string, operations: readonly (typeof READS | typeof WRITES)[number][] = READS): AclEntry[] =>
      operations.map((operation) => ({
        ...rule,
        operation,
        resourceType: AclResourceTypes.TOPIC,
        resourceName,
        resourcePatternType: ResourcePatternTypes.LITERAL,
      }));
    if (!isOwn(nveId, feed)) return onTopic(this.#names.of(feed));
    const groups = {
      ...rule,
      operation: AclOperationTypes.READ,
      resourceType: AclResourceTypes.GROUP,
      resourceName: this.#names.groupPrefixOf(nveId),
      resourcePatternType: ResourcePatternTypes.PREFIXED,
    };
    const forCommands = commands ? [...onTopic(this.#names.commands, WRITES), ...onTopic(this.#names.outcomes(nveId))] : [];
    return [...onTopic(this.#names.of(feed)), ...onTopic(this.#names.schemas), groups, ...forCommands];
  }

  /** The right that a rule is part of; null for a rule that is not of our forms. */
  #rightOf(rule: AclEntry): FeedRight | null {
    const { principal, resourceType, resourceName } = rule;
    const nveId = principal.slice(this.#before.length, principal.length - this.#after.length);
    if (principal !== `${this.#before}${nveId}${this.#after}` || !NVE_ID.test(nveId)) return null;
    // A rule for something other than a feed can only be part of the right to the NVE's own feed.
    const feed = (resourceType === AclResourceTypes.TOPIC && this.#names.feedOf(resourceName)) || ({ kind: 'nve', nveId } as const);
    const right: FeedRight = { nveId, feed };
    return this.#rules(right).some((one) => nameOf(one) === nameOf(rule)) ? right : null;
  }

  /** A connection that failed once is not used again. */
  async #asking<T>(doing: string, ask: (admin: Admin) => Promise<T>): Promise<T> {
    return translated(doing, async () => {
      try {
        return await ask(await (this.#connected ??= this.#connect()));
      } catch (failure) {
        await this.close();
        throw failure;
      }
    });
  }

  async #connect(): Promise<Admin> {
    const admin = this.#client.admin();
    await admin.connect();
    return admin;
  }
}

const isOwn = (nveId: string, feed: FeedName): boolean => feed.kind === 'nve' && feed.nveId === nveId;

const nameOf = ({ principal, host, operation, permissionType, resourceType, resourceName, resourcePatternType }: AclEntry): string =>
  [principal, host, operation, permissionType, resourceType, resourceName, resourcePatternType].join(' ');

/**
 * Waits until the brokers report a change of rules. The controller answers earlier: brokers get the rules, or lose them, with the
 * metadata log. Asks for all rules, or for those of the few principals concerned, until no rule is left for which `isLeft` holds.
 * Throws FeedUnavailable with the rules that are left.
 */
async function untilNone(
  admin: Admin,
  rules: readonly AclEntry[],
  otherwise: string,
  isLeft: (name: string, there: ReadonlySet<string>) => boolean,
): Promise<void> {
  const byPrincipal = Map.groupBy(rules, ({ principal }) => principal);
  const asked = byPrincipal.size > MAX_NVES_ASKED_FOR ? [[undefined, rules] as const] : [...byPrincipal];
  for (let looks = 1; ; looks++) {
    const left: string[] = [];
    for (const [principal, some] of asked) {
      const there = new Set((await describe(admin, principal)).map(nameOf));
      left.push(...some.map(nameOf).filter((name) => isLeft(name, there)));
    }
    if (left.length === 0) return;
    if (looks * VISIBLE_POLL_MS >= VISIBLE_TIMEOUT_MS)
      throw new FeedUnavailable(
        `${left.length} rules (${left[0]}, …) ${otherwise}, in ${looks} looks over at least ${VISIBLE_TIMEOUT_MS} ms`,
      );
    await sleep(systemClock, VISIBLE_POLL_MS);
  }
}

/** Every rule that allows something from any host: of one principal, or of all. */
async function describe(admin: Admin, principal?: string): Promise<AclEntry[]> {
  const filter: AclFilter = {
    resourceType: AclResourceTypes.ANY,
    resourcePatternType: ResourcePatternTypes.ANY,
    host: '*',
    operation: AclOperationTypes.ANY,
    permissionType: AclPermissionTypes.ALLOW,
    ...(principal !== undefined && { principal }),
  };
  const { resources } = await admin.describeAcls(filter);
  return resources.flatMap(({ acls, ...resource }) => acls.map((acl) => ({ ...resource, ...acl })));
}

function* chunks(rules: readonly AclEntry[]): Generator<AclEntry[]> {
  for (let from = 0; from < rules.length; from += MAX_RULES_PER_REQUEST) yield rules.slice(from, from + MAX_RULES_PER_REQUEST);
}
