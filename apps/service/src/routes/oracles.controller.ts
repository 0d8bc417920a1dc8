import { Controller, Get, Inject, Param, Query, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { parseNveId } from '@nva/identifiers';
import type { RegistrarGroup } from '@nva/registrar';
import type { FastifyRequest } from 'fastify';
import { appliedBody, type AppliedReports } from '../core/applied-reports.ts';
import { DescribesProblems, DescribesQuery, PAGING } from '../http/describes.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from '../reads/paging.ts';
import { APPLIED_HERE, GROUPS, READS } from '../http/providers.ts';
import { integer, only } from '../reads/query-readers.ts';
import type { Reads } from '../reads/reads.ts';
import { contextOf } from '../access/request-context.ts';
import type { Visibility } from '../access/visibility.ts';

/** Several NVAs may serve one VN, each for a group of tenant systems (R34). */
@Controller('v1')
@ApiTags('state')
@DescribesProblems()
export class OraclesController {
  readonly #reads: Reads;
  readonly #groups: readonly RegistrarGroup[];
  readonly #reports: AppliedReports;

  constructor(
    @Inject(READS) reads: Reads,
    @Inject(GROUPS) groups: readonly RegistrarGroup[],
    @Inject(APPLIED_HERE) reports: AppliedReports,
  ) {
    this.#reads = reads;
    this.#groups = groups;
    this.#reports = reports;
  }

  @Get('oracles')
  @ApiOperation({
    summary:
      'Which registrars serve which group of tenant systems, and which of them owns its leases and lifetimes (R34). An NVE is shown the groups that serve it and its tenants.',
  })
  oracles(@Query() query: Readonly<Record<string, string>>, @Req() request: FastifyRequest): unknown {
    only(query);
    const visible = this.#visible(request);
    const groups = this.#groups.map((group) => visible.group(group)).filter((group) => group !== null);
    return {
      items: groups.map(({ name, ...serves }) => {
        const oracle = this.#reads.network.oracles.get(name);
        return {
          group: name,
          ...serves,
          owner: oracle ? { oracleId: oracle.oracleId, url: oracle.url, since: String(oracle.position) } : null,
        };
      }),
    };
  }

  @Get('nves/:nveId/applied')
  @ApiOperation({
    summary:
      'What an NVE has reported to this registrar, compared with the fold: for other instances, which answer `GET /v1/nves/{nveId}` with it.',
  })
  applied(@Param('nveId') id: string, @Query() query: Readonly<Record<string, string>>, @Req() request: FastifyRequest): unknown {
    only(query);
    const nveId = parseNveId(id);
    const visible = this.#visible(request);
    visible.nve(nveId);
    return {
      items: [...this.#reports.of(nveId)]
        .filter(([vnid]) => visible.seesVn(vnid))
        .map(([vnid, report]) => ({ vnid, ...appliedBody(report) })),
    };
  }

  @Get('applied')
  @ApiOperation({
    summary:
      'What NVEs have reported to this registrar, compared with the fold, by NVE: for other instances, which answer `GET /v1/nves` with it (operators).',
  })
  @DescribesQuery(PAGING)
  allApplied(@Query() query: Readonly<Record<string, string>>, @Req() request: FastifyRequest): unknown {
    only(query, 'after', 'limit');
    this.#visible(request).operator();
    const limit = query['limit'] === undefined ? DEFAULT_LIMIT : integer(query['limit'], 'limit', 1, MAX_LIMIT);
    const nveIds = this.#reports.reporters(query['after'] ?? '', limit + 1);
    const items = nveIds
      .slice(0, limit)
      .map((nveId) => ({ nveId, applied: [...this.#reports.of(nveId)].map(([vnid, report]) => ({ vnid, ...appliedBody(report) })) }));
    return nveIds.length > limit ? { items, next: nveIds[limit - 1] } : { items };
  }

  #visible(request: FastifyRequest): Visibility {
    return this.#reads.visibleTo(contextOf(request).caller);
  }
}
