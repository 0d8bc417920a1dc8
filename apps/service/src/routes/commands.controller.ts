import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { commandNames } from '@nva/commands';
import { Refusal } from '@nva/identifiers';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { NDJSON } from '../http/bodies.ts';
import { DescribesProblems } from '../http/describes.ts';
import type { Dispatcher } from '../commands/dispatcher.ts';
import { NdjsonCommands } from './ndjson.ts';
import { DISPATCHER, REFUSED } from '../http/providers.ts';
import { only } from '../reads/query-readers.ts';
import type { RefusedAttempts } from '../refusals/refused-attempts.ts';
import { contextOf, readIdempotencyKey } from '../access/request-context.ts';

/** The fast way to send commands: many in one request. */
@Controller('v1')
@ApiTags('writes')
export class CommandsController {
  readonly #dispatcher: Dispatcher;
  readonly #refused: RefusedAttempts;

  constructor(@Inject(DISPATCHER) dispatcher: Dispatcher, @Inject(REFUSED) refused: RefusedAttempts) {
    this.#dispatcher = dispatcher;
    this.#refused = refused;
  }

  @Post('commands')
  @HttpCode(200)
  @ApiOperation({ summary: 'Commands as NDJSON, one a line; answered with one result a line, in the same order.' })
  @ApiConsumes(NDJSON)
  @ApiProduces(NDJSON)
  @ApiBody({
    schema: {
      type: 'object',
      required: ['command'],
      properties: { command: { type: 'string', enum: [...commandNames] } },
      additionalProperties: true,
    },
  })
  @ApiResponse({ status: 200, description: 'Per line an answer with its status, or a problem.' })
  @DescribesProblems()
  async commands(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const context = contextOf(request);
    only(request.query as Readonly<Record<string, string>>);
    if (!(request.body instanceof Readable))
      throw new Refusal('malformed-body', `the body is ${NDJSON}`, { field: 'Content-Type', received: request.headers['content-type'] });
    if (readIdempotencyKey(request) !== undefined)
      throw new Refusal('unknown-field', 'an Idempotency-Key names one command: it stands in its line, as idempotencyKey', {
        field: 'Idempotency-Key',
      });
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': NDJSON, 'x-correlation-id': context.correlationId });
    try {
      await new NdjsonCommands(this.#dispatcher, context, this.#refused, request.ip).run(request.body, reply.raw);
      reply.raw.end();
    } catch {
      // The connection broke. Decided commands stay decided; the caller repeats them with the same keys.
      reply.raw.destroy();
    }
  }
}
