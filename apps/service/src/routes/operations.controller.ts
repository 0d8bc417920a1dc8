import { Controller, Get, Header, Inject, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Distributor } from '@nva/distributor';
import { feedKey, type Leader } from '@nva/ports';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Core } from '../core/core.ts';
import type { Metrics } from '../observability/metrics.ts';
import { CORE, METRICS } from '../http/providers.ts';
import { contextOf } from '../access/request-context.ts';
import { Visibility } from '../access/visibility.ts';

/** For whoever runs it. */
@Controller()
@ApiTags('operations')
export class OperationsController {
  readonly #core: Core;
  readonly #metrics: Metrics;

  constructor(@Inject(CORE) core: Core, @Inject(METRICS) metrics: Metrics) {
    this.#core = core;
    this.#metrics = metrics;
  }

  @Get('healthz')
  @ApiOperation({ summary: 'The process lives.' })
  health(): unknown {
    const election = this.#core.registration?.election;
    return { status: 'ok', ...(election && { oracleId: election.oracleId }) };
  }

  @Get('readyz')
  @ApiOperation({
    summary:
      '200 when the process does its work: the event store has a leader, its fold has caught up, and the feeds are equal to it if it publishes them. 503 before, while the nodes of the event store have no leader (`eventStore.leader` is false; `forS` is how long that has been so), and while a feed has lost what was on it. A distributor’s publishedPosition is of the VNs whose shards are its own. `setAside` names the feeds to which nothing is published now, and why; each is tried again by itself.',
  })
  ready(@Res({ passthrough: true }) reply: FastifyReply): unknown {
    const { ready, replica, distribution, store } = this.#core;
    reply.status(ready ? 200 : 503);
    return {
      ready,
      log: store.logId,
      foldPosition: String(replica.network.position),
      ...(store.leader && { eventStore: leaderBody(store.leader) }),
      ...(distribution && distributionBody(distribution.distributor)),
    };
  }

  @Get('metrics')
  @ApiOperation({ summary: 'Prometheus metrics (operators).' })
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  metrics(@Req() request: FastifyRequest): Promise<string> {
    new Visibility(this.#core.replica.network, contextOf(request).caller).operator();
    return this.#metrics.registry.metrics();
  }
}

/** Which node it is stays with the metrics' readers and the log: this is open for anyone. */
const leaderBody = ({ node, forMs }: Leader): object => ({ leader: node !== null, forS: Math.floor(forMs / 1_000) });

/** `setAside` is there only where something is. */
function distributionBody({ publishedPosition, aside }: Distributor): object {
  const setAside = aside.list().map(({ feed, topic, trouble, reason }) => ({ feed: feedKey(feed), topic, trouble, reason }));
  return { publishedPosition: String(publishedPosition), ...(setAside.length > 0 && { setAside, setAsideFeeds: aside.size }) };
}
