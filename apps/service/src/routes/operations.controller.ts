import { Controller, Get, Header, Inject, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { feedKey, type Leader } from '@nva/ports';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import type { ProcessState } from '../core/process-state.ts';
import { METRICS, READS, STATE } from '../http/providers.ts';
import { contextOf } from '../access/request-context.ts';
import type { Reads } from '../reads/reads.ts';

/** State and metrics for the operator of a process. */
@Controller()
@ApiTags('operations')
export class OperationsController {
  readonly #state: ProcessState;
  readonly #reads: Reads;
  readonly #metrics: Pick<Registry, 'metrics'>;

  constructor(@Inject(STATE) state: ProcessState, @Inject(READS) reads: Reads, @Inject(METRICS) metrics: Pick<Registry, 'metrics'>) {
    this.#state = state;
    this.#reads = reads;
    this.#metrics = metrics;
  }

  @Get('healthz')
  @ApiOperation({ summary: 'The process lives.' })
  health(): unknown {
    const { oracleId } = this.#state;
    return { status: 'ok', ...(oracleId !== undefined && { oracleId }) };
  }

  @Get('readyz')
  @ApiOperation({
    summary:
      '200 when the process does its work: the event store has a leader, its fold has caught up, and the feeds are equal to it if it publishes them. 503 before, while the nodes of the event store have no leader (`eventStore.leader` is false; `forS` is how long that has been so), and while a feed has lost what was on it. A distributor’s publishedPosition is of the VNs whose shards are its own. `setAside` names the feeds to which nothing is published now, and why; each is tried again by itself.',
  })
  ready(@Res({ passthrough: true }) reply: FastifyReply): unknown {
    const { ready, logId, foldPosition, leader, distributor } = this.#state;
    reply.status(ready ? 200 : 503);
    return {
      ready,
      log: logId,
      foldPosition: String(foldPosition),
      ...(leader && { eventStore: leaderBody(leader) }),
      ...(distributor && distributorBody(distributor)),
    };
  }

  @Get('metrics')
  @ApiOperation({ summary: 'Prometheus metrics (operators).' })
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  metrics(@Req() request: FastifyRequest): Promise<string> {
    this.#reads.visibleTo(contextOf(request).caller).operator();
    return this.#metrics.metrics();
  }
}

/** Only metrics and log name the leader's node, because this path needs no token. */
const leaderBody = ({ node, forMs }: Leader): object => ({ leader: node !== null, forS: Math.floor(forMs / 1_000) });

/** `setAside` is present only if a feed is set aside. */
function distributorBody({ publishedPosition, aside }: NonNullable<ProcessState['distributor']>): object {
  const setAside = aside.list().map(({ feed, topic, trouble, reason }) => ({ feed: feedKey(feed), topic, trouble, reason }));
  return { publishedPosition: String(publishedPosition), ...(setAside.length > 0 && { setAside, setAsideFeeds: aside.size }) };
}
