import { feedKey } from '@nva/ports';
import { feedsOf, recordsOf, standingOf, type Network } from '../src/index.ts';

/** Everything that can be seen of a network: every record of every feed with its position, and how every registration stands. */
export function dump(network: Network): unknown {
  const feeds = [...feedsOf(network)].map(
    (feed) => [feedKey(feed), [...recordsOf(network, feed)].toSorted((a, b) => (a.key < b.key ? -1 : 1))] as const,
  );
  return {
    position: network.position,
    feeds: Object.fromEntries(feeds.filter(([, records]) => records.length > 0)),
    standings: Object.fromEntries(
      [...network.tenantSystems].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([tsId, ts]) => [tsId, standingOf(ts)]),
    ),
  };
}

/** The same without positions. */
export function values(network: Network): unknown {
  return JSON.parse(JSON.stringify(dump(network), withoutPositions));
}

const withoutPositions = (key: string, value: unknown): unknown => (key === 'position' || key === 'since' ? undefined : value);
