import { Controller, Get, Inject, Query, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { readPosition } from '@nva/commands';
import type { FastifyRequest } from 'fastify';
import { DescribesProblems, DescribesQuery, PAGING } from '../http/describes.ts';
import { pageQuery } from '../reads/paging.ts';
import { READS, REFUSED } from '../http/providers.ts';
import { only } from '../reads/query-readers.ts';
import type { Reads } from '../reads/reads.ts';
import { attemptBody, type RefusedAttempts } from '../refusals/refused-attempts.ts';
import { contextOf } from '../access/request-context.ts';

/** The refused attempts. */
@Controller('v1')
@ApiTags('audit')
@DescribesProblems()
export class RefusedController {
  readonly #reads: Reads;
  readonly #refused: RefusedAttempts;

  constructor(@Inject(READS) reads: Reads, @Inject(REFUSED) refused: RefusedAttempts) {
    this.#reads = reads;
    this.#refused = refused;
  }

  @Get('refused')
  @ApiOperation({
    summary:
      'Attempts to change something that this process answered with 401 or 403, and all without a valid token: the newest of each caller since its start, oldest first (operators).',
  })
  @DescribesQuery({ ...PAGING, after: 'The `id` of an attempt; those after it.' })
  refused(@Query() query: Readonly<Record<string, string>>, @Req() request: FastifyRequest): unknown {
    only(query, 'after', 'limit');
    this.#reads.visibleTo(contextOf(request).caller).operator();
    const { limit, after } = pageQuery(query);
    const found = this.#refused.after(after === undefined ? 0 : readPosition(after, 'after'), limit + 1);
    const items = found.slice(0, limit).map(attemptBody);
    return { items, forgotten: this.#refused.forgotten, ...(found.length > limit && { next: String(found[limit - 1]!.id) }) };
  }
}
