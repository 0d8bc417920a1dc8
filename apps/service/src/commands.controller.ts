import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { commandNames } from '@nva/commands';
import { Refusal } from '@nva/identifiers';
import type { Registrar } from '@nva/registrar';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import type { Core, Registration } from './core.ts';
import { DescribesProblems } from './describes.ts';
import { NdjsonCommands } from './ndjson.ts';
import { CORE, REGISTRATION } from './providers.ts';
import { only } from './query-readers.ts';
import { contextOf } from './request-context.ts';

export const NDJSON = 'application/x-ndjson';

/** The fast way in: many commands in one request. */
@Controller('v1')
@ApiTags('writes')
export class CommandsController {
  readonly #core: Core;
  readonly #registrar: Registrar;

  constructor(@Inject(CORE) core: Core, @Inject(REGISTRATION) { registrar }: Registration) {
    this.#core = core;
    this.#registrar = registrar;
  }

  @Post('commands')
  @HttpCode(200)
  @ApiOperation({ summary: 'Commands as NDJSON, one a line; answered with one result a line, in the same order.' })
  @ApiConsumes(NDJSON)
  @ApiProduces(NDJSON)
  @ApiBody({ schema: { type: 'object', required: ['command'], properties: { command: { type: 'string', enum: [...commandNames] } }, additionalProperties: true } })
  @ApiResponse({ status: 200, description: 'Per line an answer with its status, or a problem.' })
  @DescribesProblems()
  async commands(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const context = contextOf(request);
    only(request.query as Readonly<Record<string, string>>);
    if (!(request.body instanceof Readable)) throw new Refusal('malformed-body', `the body is ${NDJSON}`, { field: 'Content-Type', received: request.headers['content-type'] });
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': NDJSON, 'x-correlation-id': context.correlationId });
    try {
      await new NdjsonCommands(this.#registrar, this.#core.applied, context).run(request.body, reply.raw);
      reply.raw.end();
    } catch {
      // The connection broke. What was decided stays decided; the caller asks again with the same keys.
      reply.raw.destroy();
    }
  }
}
