import { Controller, Get, Headers, Inject, Param, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { numeral, parseNveId, parseVnid, Refusal } from '@nva/identifiers';
import type { FeedName } from '@nva/ports';
import { actorOf } from '@nva/registrar';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DistributorRole } from '../core/core.ts';
import type { ProcessState } from '../core/process-state.ts';
import { DescribesProblems } from '../http/describes.ts';
import type { OpenRequests } from '../http/open-requests.ts';
import { DISTRIBUTOR_ROLE, LOSSES, OPEN_REQUESTS, READS, STATE } from '../http/providers.ts';
import { only } from '../reads/query-readers.ts';
import { contextOf } from '../access/request-context.ts';
import { FeedStream, parseResumePoint, type ResumePoint } from '../streams/sse.ts';
import type { Visibility } from '../access/visibility.ts';
import type { LossWatch } from '../log/loss-watch.ts';
import type { Reads } from '../reads/reads.ts';

const RESUME_DOC = 'Resume after this place: <log>/<position>. Beyond the head of the log: 409 ahead-of-log.';

/** The two kinds of feeds as Server-Sent Events, if the feeds are in process. */
@Controller('v1')
@ApiTags('feeds')
@DescribesProblems()
export class FeedsController {
  readonly #reads: Reads;
  readonly #state: ProcessState;
  readonly #distributing: DistributorRole;
  readonly #losses: LossWatch;
  readonly #open: OpenRequests;

  constructor(
    @Inject(READS) reads: Reads,
    @Inject(STATE) state: ProcessState,
    @Inject(DISTRIBUTOR_ROLE) distributing: DistributorRole,
    @Inject(LOSSES) losses: LossWatch,
    @Inject(OPEN_REQUESTS) open: OpenRequests,
  ) {
    this.#reads = reads;
    this.#state = state;
    this.#distributing = distributing;
    this.#losses = losses;
    this.#open = open;
  }

  @Get('vns/:vnid/feed')
  @ApiOperation({ summary: 'The table of a VN and every change of it (R36, R46).' })
  @ApiProduces('text/event-stream')
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: RESUME_DOC })
  async vnFeed(
    @Param('vnid') id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const vnid = parseVnid(numeral(id));
    const resume = await this.#resumePoint(lastEventId, request);
    this.#visible(request).vn(vnid);
    // An NVE that has left the VN receives nothing more about it, not even on a stream that it keeps open.
    await this.#stream({ kind: 'vn', vnid }, () => this.#visible(request).seesVn(vnid), resume, request, reply);
  }

  @Get('nves/:nveId/feed')
  @ApiOperation({ summary: 'The VNs that an NVE is in, and every change of that (X8).' })
  @ApiProduces('text/event-stream')
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: RESUME_DOC })
  async nveFeed(
    @Param('nveId') id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const nveId = parseNveId(id);
    const resume = await this.#resumePoint(lastEventId, request);
    const own = (): boolean => (this.#visible(request).nve(nveId), true);
    own();
    await this.#stream({ kind: 'nve', nveId }, own, resume, request, reply);
  }

  /** `visible`: whether the caller may have the feed. It may throw, for example if the caller's token was withdrawn. */
  async #stream(
    feed: FeedName,
    visible: () => boolean,
    resume: ResumePoint | null,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const { inProcessFeed, streams, writer, distributor } = this.#distributing;
    const { correlationId, caller } = contextOf(request);
    const entitled = (): boolean => allows(visible);
    only(request.query as Readonly<Record<string, string>>);
    if (!inProcessFeed || !streams) throw new Refusal('not-found', `this feed is on Kafka, topic ${writer.address(feed).topic}`);
    if (!this.#state.whole) throw new Refusal('starting', 'the feeds are being filled; try again in a moment');
    // A deleted VN's feed keeps its records until the purge; the caller gets the same answer as from the reads.
    if (feed.kind === 'vn' && !this.#reads.network.vns.get(feed.vnid)?.alive)
      throw new Refusal('vn-unknown', `there is no VN ${feed.vnid}`, { field: 'vnid', received: feed.vnid });
    if (!inProcessFeed.has(feed)) throw new Refusal('not-found', `there is no such feed at position ${distributor.publishedPosition}`);
    if (request.method === 'HEAD') return void (await reply.type('text/event-stream; charset=utf-8').send());
    this.#open.requires(request, entitled);
    const left = streams.admit(actorOf(caller));
    reply.hijack();
    try {
      const told = await new FeedStream(reply.raw, this.#state.logId, entitled).run(streams, feed, resume, {
        'x-correlation-id': correlationId,
      });
      // The feed was deleted meanwhile.
      if (!told) reply.raw.destroy();
    } finally {
      left();
    }
  }

  /** A place beyond the log is refused before every other check: the lost part of the log may have contained the VN or the NVE. */
  async #resumePoint(lastEventId: string | undefined, request: FastifyRequest): Promise<ResumePoint | null> {
    const resume = parseResumePoint(lastEventId);
    if (resume) await this.#losses.assertPlace(contextOf(request).caller, resume, 'Last-Event-ID');
    return resume;
  }

  #visible(request: FastifyRequest): Visibility {
    return this.#reads.visibleTo(contextOf(request).caller);
  }
}

function allows(visible: () => boolean): boolean {
  try {
    return visible();
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}
