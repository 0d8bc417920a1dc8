import { Body, Controller, Delete, HttpCode, Inject, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CATALOGUE, commandSchema, parseBody, type CommandName } from '@nva/commands';
import { numeral, Refusal } from '@nva/identifiers';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { answerBody, answerStatus, requestOf, submit, type AnswerBody } from './answers.ts';
import type { Core } from './core.ts';
import { CORE } from './providers.ts';
import { contextOf, readIdempotency } from './request-context.ts';

type Params = Readonly<Record<string, string>>;
type Queries = Readonly<Record<string, string>>;

/** Documents a route from the catalogue: what the path gives is left out of the body. */
function Describes(name: CommandName, inPath: readonly string[], hasBody = true): MethodDecorator {
  return (target, key, descriptor) => {
    ApiTags('writes')(target, key, descriptor);
    ApiOperation({ summary: CATALOGUE[name].doc })(target, key, descriptor);
    if (hasBody) ApiBody({ schema: commandSchema(name, inPath) })(target, key, descriptor);
  };
}

/** Every write of the contract, one command each. */
@Controller('v1')
export class WritesController {
  readonly #core: Core;

  constructor(@Inject(CORE) core: Core) {
    this.#core = core;
  }

  @Put('vns/:vnid')
  @Describes('putVn', ['vnid'])
  putVn(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('putVn', { vnid: numeral(params['vnid']) }, body, request, reply);
  }

  @Delete('vns/:vnid')
  @Describes('deleteVn', [], false)
  deleteVn(@Param() params: Params, @Query() query: Queries, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('deleteVn', { vnid: numeral(params['vnid']) }, fromQuery(query), request, reply);
  }

  @Put('nves/:nveId')
  @Describes('connectNve', ['nveId'])
  connectNve(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('connectNve', params, body, request, reply);
  }

  @Delete('nves/:nveId')
  @Describes('disconnectNve', [], false)
  disconnectNve(@Param() params: Params, @Query() query: Queries, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('disconnectNve', params, fromQuery(query), request, reply);
  }

  @Post('nves/:nveId/heartbeat')
  @HttpCode(200)
  @Describes('heartbeat', ['nveId'])
  heartbeat(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('heartbeat', params, body, request, reply);
  }

  @Put('nves/:nveId/tenant-systems/:tsId')
  @Describes('attach', ['nveId', 'tsId'])
  attach(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('attach', params, body, request, reply);
  }

  @Delete('nves/:nveId/tenant-systems/:tsId')
  @Describes('detach', [], false)
  detach(@Param() params: Params, @Query() query: Queries, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('detach', params, fromQuery(query), request, reply);
  }

  @Delete('tenant-systems/:tsId')
  @Describes('remove', [], false)
  remove(@Param() params: Params, @Query() query: Queries, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('remove', params, fromQuery(query), request, reply);
  }

  @Post('tenant-systems/:tsId/bindings')
  @HttpCode(200)
  @Describes('registerBindings', ['tsId'])
  registerBindings(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('registerBindings', params, body, request, reply);
  }

  @Put('tenant-systems/:tsId/bindings/:bid')
  @Describes('registerBinding', ['tsId', 'bid'])
  registerBinding(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('registerBinding', { ...params, bid: numeral(params['bid']) }, body, request, reply);
  }

  @Delete('tenant-systems/:tsId/bindings/:bid')
  @Describes('deregisterBinding', [], false)
  deregisterBinding(@Param() params: Params, @Query() query: Queries, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('deregisterBinding', { ...params, bid: numeral(params['bid']) }, fromQuery(query), request, reply);
  }

  @Put('tenant-systems/:tsId/mac')
  @Describes('changeMac', ['tsId'])
  changeMac(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('changeMac', params, body, request, reply);
  }

  @Post('tenant-systems/:tsId/connection-failure')
  @HttpCode(200)
  @Describes('connectionFailure', ['tsId'])
  connectionFailure(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<AnswerBody> {
    return this.#write('connectionFailure', params, body, request, reply);
  }

  async #write(name: CommandName, path: Readonly<Record<string, unknown>>, body: unknown, request: FastifyRequest, reply: FastifyReply): Promise<AnswerBody> {
    const { caller, correlationId } = contextOf(request);
    const { registrar, applied } = this.#core;
    const parsed = parseBody(name, path, body);
    const [outcome] = await submit(registrar, applied, [requestOf(parsed, caller, correlationId, readIdempotency(request))], [parsed]);
    if (!outcome) throw new Refusal('internal', 'the command has no outcome');
    if ('refusal' in outcome) throw outcome.refusal;
    reply.status(answerStatus(outcome.answer));
    return answerBody(outcome.answer);
  }
}

/** What a DELETE is told in its query: the same fields as a body would have, as JSON values. */
function fromQuery(query: Queries): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, value === 'true' ? true : value === 'false' ? false : numeral(value)]));
}
