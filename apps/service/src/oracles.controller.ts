import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Core } from './core.ts';
import { DescribesProblems } from './describes.ts';
import { CORE } from './providers.ts';
import { only } from './query-readers.ts';

/** Several NVAs may serve one VN, each for a group of tenant systems (R34). */
@Controller('v1')
@ApiTags('state')
@DescribesProblems()
export class OraclesController {
  readonly #core: Core;

  constructor(@Inject(CORE) core: Core) {
    this.#core = core;
  }

  @Get('oracles')
  @ApiOperation({ summary: 'Which registrars serve which group of tenant systems, and which of them owns its leases and lifetimes (R34).' })
  oracles(@Query() query: Readonly<Record<string, string>>): unknown {
    only(query);
    const { config, replica } = this.#core;
    const groups = config.groups ?? [{ name: 'all', urls: [], nves: [], sites: [], tenants: [], rest: true }];
    return {
      items: groups.map(({ name, ...serves }) => {
        const oracle = replica.network.oracles.get(name);
        return { group: name, ...serves, owner: oracle ? { oracleId: oracle.oracleId, url: oracle.url, since: String(oracle.position) } : null };
      }),
    };
  }
}
