import { Body, Controller, Delete, HttpCode, Inject, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { isObject, parseBody, parseSweepBody, type CommandName, type SweepName } from '@nva/commands';
import { numeral, Refusal } from '@nva/identifiers';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { answerBody, answerStatus, type AnswerBody } from '../commands/command-answers.ts';
import { DescribesSweep, DescribesWrite } from '../http/describes.ts';
import type { Dispatcher } from '../commands/dispatcher.ts';
import { PROBLEM_TYPE } from '../refusals/problem.ts';
import { DISPATCHER } from '../http/providers.ts';
import { only } from '../reads/query-readers.ts';
import { contextOf, readIdempotencyKey } from '../access/request-context.ts';
import type { SweepAnswer } from '../commands/lines.ts';

type Params = Readonly<Record<string, string>>;
type Queries = Readonly<Record<string, string>>;

/** Every write of the contract, one command each. */
@Controller('v1')
@ApiTags('writes')
export class WritesController {
  readonly #dispatcher: Dispatcher;

  constructor(@Inject(DISPATCHER) dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  @Put('vns/:vnid')
  @DescribesWrite('putVn', ['vnid'])
  putVn(
    @Param() params: Params,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('putVn', { vnid: numeral(params['vnid']) }, body, request, reply);
  }

  @Delete('vns/:vnid')
  @DescribesWrite('deleteVn', ['vnid'], 'in query')
  deleteVn(
    @Param() params: Params,
    @Query() query: Queries,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('deleteVn', { vnid: numeral(params['vnid']) }, told(query, body), request, reply);
  }

  @Post('vns/:vnid/release')
  @HttpCode(200)
  @DescribesWrite('releaseVn', ['vnid'])
  releaseVn(
    @Param() params: Params,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('releaseVn', { vnid: numeral(params['vnid']) }, body, request, reply);
  }

  @Put('nves/:nveId')
  @DescribesWrite('connectNve', ['nveId'])
  connectNve(
    @Param() params: Params,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('connectNve', params, body, request, reply);
  }

  @Delete('nves/:nveId')
  @DescribesWrite('disconnectNve', ['nveId'], 'in query')
  disconnectNve(
    @Param() params: Params,
    @Query() query: Queries,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('disconnectNve', params, told(query, body), request, reply);
  }

  @Post('nves/:nveId/heartbeat')
  @HttpCode(200)
  @DescribesWrite('heartbeat', ['nveId'])
  heartbeat(
    @Param() params: Params,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('heartbeat', params, body, request, reply);
  }

  @Put('nves/:nveId/tenant-systems/:tsId')
  @DescribesWrite('attach', ['nveId', 'tsId'])
  attach(
    @Param() params: Params,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('attach', params, body, request, reply);
  }

  @Put('nves/:nveId/tenant-systems')
  @DescribesSweep('keepOnly', ['nveId'])
  keepOnly(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest): Promise<SweepAnswer> {
    return this.#sweep('keepOnly', params, body, request);
  }

  @Post('nves/:nveId/evacuate')
  @HttpCode(200)
  @DescribesSweep('evacuateNve', ['nveId'])
  evacuateNve(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest): Promise<SweepAnswer> {
    return this.#sweep('evacuateNve', params, body, request);
  }

  @Post('vns/:vnid/empty')
  @HttpCode(200)
  @DescribesSweep('emptyVn', ['vnid'])
  emptyVn(@Param() params: Params, @Body() body: unknown, @Req() request: FastifyRequest): Promise<SweepAnswer> {
    return this.#sweep('emptyVn', { vnid: numeral(params['vnid']) }, body, request);
  }

  @Delete('nves/:nveId/tenant-systems/:tsId')
  @DescribesWrite('detach', ['nveId', 'tsId'], 'in query')
  detach(
    @Param() params: Params,
    @Query() query: Queries,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('detach', params, told(query, body), request, reply);
  }

  @Delete('tenant-systems/:tsId')
  @DescribesWrite('remove', ['tsId'], 'in query')
  remove(
    @Param() params: Params,
    @Query() query: Queries,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('remove', params, told(query, body), request, reply);
  }

  @Post('tenant-systems/:tsId/bindings')
  @HttpCode(200)
  @DescribesWrite('registerBindings', ['tsId'])
  registerBindings(
    @Param() params: Params,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('registerBindings', params, body, request, reply);
  }

  @Put('tenant-systems/:tsId/bindings/:bid')
  @DescribesWrite('registerBinding', ['tsId', 'bid'])
  registerBinding(
    @Param() params: Params,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('registerBinding', { ...params, bid: numeral(params['bid']) }, body, request, reply);
  }

  @Delete('tenant-systems/:tsId/bindings/:bid')
  @DescribesWrite('deregisterBinding', ['tsId', 'bid'], 'in query')
  deregisterBinding(
    @Param() params: Params,
    @Query() query: Queries,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('deregisterBinding', { ...params, bid: numeral(params['bid']) }, told(query, body), request, reply);
  }

  @Put('tenant-systems/:tsId/mac')
  @DescribesWrite('changeMac', ['tsId'])
  changeMac(
    @Param() params: Params,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('changeMac', params, body, request, reply);
  }

  @Post('tenant-systems/:tsId/connection-failure')
  @HttpCode(200)
  @DescribesWrite('connectionFailure', ['tsId'])
  connectionFailure(
    @Param() params: Params,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('connectionFailure', params, body, request, reply);
  }

  @Post('tenant-systems/:tsId/pass')
  @HttpCode(200)
  @DescribesWrite('passAddress', ['tsId'])
  passAddress(
    @Param() params: Params,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AnswerBody> {
    return this.#write('passAddress', params, body, request, reply);
  }

  async #sweep(name: SweepName, path: Readonly<Record<string, unknown>>, body: unknown, request: FastifyRequest): Promise<SweepAnswer> {
    checkJson(body, request);
    const idempotencyKey = readIdempotencyKey(request);
    const parsed = { ...parseSweepBody(name, path, body), ...(idempotencyKey !== undefined && { idempotencyKey }) };
    const json = { command: name, ...path, ...(isObject(body) ? body : {}) };
    const [result] = await this.#dispatcher.submit([{ parsed, json }], contextOf(request));
    if (!result || !('swept' in result))
      throw result && 'refusal' in result ? result.refusal : new Refusal('internal', 'the command has no outcome');
    return result.swept;
  }

  async #write(
    name: CommandName,
    path: Readonly<Record<string, unknown>>,
    body: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<AnswerBody> {
    checkJson(body, request);
    const idempotencyKey = readIdempotencyKey(request);
    const keyed = idempotencyKey === undefined ? {} : { idempotencyKey };
    const parsed = { ...parseBody(name, path, body), ...keyed };
    const json = { command: name, ...path, ...(isObject(body) ? body : {}), ...keyed };
    const context = contextOf(request);
    const [result] = await this.#dispatcher.inTurn(
      context,
      1,
      () => this.#dispatcher.submit([{ parsed, json }], context),
      name === 'heartbeat',
    );
    if (!result) throw new Refusal('internal', 'the command has no outcome');
    if ('refusal' in result) throw result.refusal;
    if ('answer' in result) {
      reply.status(answerStatus(result.answer));
      return answerBody(result.answer);
    }
    const { status, ...answered } = result.forwarded;
    reply.status(status);
    if (status < 300) return answered as unknown as AnswerBody;
    reply.type(PROBLEM_TYPE);
    return result.forwarded as unknown as AnswerBody;
  }
}

/** Only a DELETE may have query fields. */
function checkJson(body: unknown, request: FastifyRequest): void {
  if (body instanceof Readable)
    throw new Refusal('malformed-body', 'the body is application/json', {
      field: 'Content-Type',
      received: request.headers['content-type'],
    });
  if (request.method !== 'DELETE') only(request.query as Queries);
}

/** Reads a whole number in a query. As in a body, the field decides whether it may be negative. */
const wholeNumber = (text: string): unknown => (/^-[1-9]\d{0,15}$/.test(text) ? Number(text) : numeral(text));

/**
 * The fields of a DELETE, as those of a body: from its query, with JSON values, and from its body if it has one. Throws Refusal
 * if a field is in both.
 */
function told(query: Queries, body: unknown): unknown {
  const inQuery = Object.fromEntries(
    Object.entries(query).map(([name, value]) => [name, value === 'true' ? true : value === 'false' ? false : wholeNumber(value)]),
  );
  if (!isObject(body) || body instanceof Readable) return body ?? inQuery;
  for (const field in inQuery) {
    if (Object.hasOwn(body, field))
      throw new Refusal('unknown-field', `${field} is in the query already`, { field, received: body[field] });
  }
  return { ...inQuery, ...body };
}
