import { Controller, Get, Header, HttpCode, Inject, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Refusal } from '@nva/identifiers';
import { actorOf } from '@nva/registrar';
import { parseTilePath, TILE_WIDTH } from '@nva/transparency';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { contextOf } from '../access/request-context.ts';
import type { Audit } from '../audit/audit.ts';
import { DescribesProblems, DescribesQuery } from '../http/describes.ts';
import { AUDIT, READS } from '../http/providers.ts';
import { only } from '../reads/query-readers.ts';
import type { Reads } from '../reads/reads.ts';
import { readConsistency, readInclusion, readTables, readTile, type ProofAnswer, type ProofQuestion } from '../tlog/questions.ts';

type Queries = Readonly<Record<string, string>>;

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';
const TILE_TYPE = 'application/octet-stream';
/** C2SP tlog-witness. */
const SIZE_TYPE = 'text/x.tlog.size';
/** A full tile never changes; a checkpoint, and what is of the last one, may be another at any time. */
const FOREVER = 'private, max-age=31536000, immutable';
const ANEW = 'no-cache';
const SIZE = 'Leaves of the tree; those of the last checkpoint, unless given.';

/** The log as a Merkle tree that others can check, by C2SP tlog-tiles and tlog-witness (operators). */
@Controller('v1/tlog')
@ApiTags('proof')
@DescribesProblems()
export class TlogController {
  readonly #reads: Reads;
  readonly #audit: Audit | null;

  constructor(@Inject(READS) reads: Reads, @Inject(AUDIT) audit: Audit | null) {
    this.#reads = reads;
    this.#audit = audit;
  }

  @Get('checkpoint')
  @Header('content-type', TEXT_TYPE)
  @Header('cache-control', ANEW)
  @ApiOperation({
    summary:
      'The last signed checkpoint: how many events the log has, the root over them, and the root over the VNs’ digests, a signed note with the cosignatures that there are (operators).',
  })
  @ApiProduces('text/plain')
  checkpoint(@Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    return this.#text(() => (only(query), { kind: 'proof', ask: 'checkpoint' }), request);
  }

  @Get('keys')
  @Header('content-type', JSON_TYPE)
  @Header('cache-control', ANEW)
  @ApiOperation({
    summary:
      'The public keys of this process: with which it signs, those that it signed with before, each with the size that it is good for, that with which it cosigns, and those of its witnesses (operators).',
  })
  keys(@Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    return this.#text(() => (only(query), { kind: 'proof', ask: 'keys' }), request);
  }

  @Get('tables')
  @Header('content-type', JSON_TYPE)
  @Header('cache-control', ANEW)
  @ApiOperation({
    summary: 'The digests under the tables root of the last checkpoint, with that checkpoint; of one VN, with the proof (operators).',
  })
  @DescribesQuery({ vnid: 'This VN only.' })
  tables(@Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    return this.#text(() => readTables(query), request);
  }

  @Get('inclusion')
  @Header('content-type', JSON_TYPE)
  @Header('cache-control', ANEW)
  @ApiOperation({ summary: 'The proof that the event at a position is in the log (operators).' })
  @DescribesQuery({ position: 'The event, always.', size: SIZE })
  inclusion(@Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    return this.#text(() => readInclusion(query), request);
  }

  @Get('consistency')
  @Header('content-type', JSON_TYPE)
  @Header('cache-control', ANEW)
  @ApiOperation({ summary: 'The proof that a later tree of the log begins with an earlier one (operators).' })
  @DescribesQuery({ from: 'Leaves of the earlier tree, always.', to: SIZE })
  consistency(@Query() query: Queries, @Req() request: FastifyRequest): Promise<string> {
    return this.#text(() => readConsistency(query), request);
  }

  @Get('tile/*')
  @ApiOperation({
    summary:
      'A tile of hashes, `<level>/<index>[.p/<width>]`, or a bundle of entries, `entries/<index>[.p/<width>]`, by C2SP tlog-tiles (operators).',
  })
  @ApiParam({ name: 'path', required: true, schema: { type: 'string' }, description: 'Such as `0/x001/x234/067`, or `entries/000.p/17`.' })
  @ApiProduces(TILE_TYPE)
  async tile(@Query() query: Queries, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    this.#operator(request);
    only(query);
    const path = `tile/${(request.params as Queries)['*']}`;
    const answer = await this.#ask(readTile(path), request);
    const isFull = parseTilePath(path)!.width === TILE_WIDTH;
    const bytes = 'bytes' in answer ? Buffer.from(answer.bytes) : Buffer.alloc(0);
    await reply
      .type(TILE_TYPE)
      .header('cache-control', isFull ? FOREVER : ANEW)
      .send(bytes);
  }

  @Post('add-checkpoint')
  @HttpCode(200)
  @ApiOperation({
    summary:
      'Asks this process to cosign a checkpoint of another admin, by C2SP tlog-witness: it does where that continues the last one that it cosigned, and is of its own log (operators). 409 has the size of the last one as its body.',
  })
  @ApiBody({
    schema: { type: 'string', description: '`old <size>`, the lines of the consistency proof, an empty line, and the checkpoint.' },
  })
  @ApiResponse({
    status: 409,
    description: 'Another checkpoint was cosigned last: its size, in decimal.',
    content: { [SIZE_TYPE]: { schema: { type: 'string' } } },
  })
  @ApiProduces('text/plain')
  async addCheckpoint(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    this.#operator(request);
    only(request.query as Queries);
    const { body } = request;
    if (typeof body !== 'string') throw new Refusal('malformed-body', 'the body is what C2SP tlog-witness says, as text', { field: '' });
    const answer = await this.#ask({ kind: 'proof', ask: 'add-checkpoint', body }, request);
    if ('conflict' in answer) await reply.status(409).type(SIZE_TYPE).send(`${answer.conflict}\n`);
    else await reply.type(TEXT_TYPE).send('text' in answer ? answer.text : '');
  }

  /** What a caller may not ask is not read. */
  async #text(read: () => ProofQuestion, request: FastifyRequest): Promise<string> {
    this.#operator(request);
    const answer = await this.#ask(read(), request);
    return 'text' in answer ? answer.text : '';
  }

  #ask(question: ProofQuestion, request: FastifyRequest): Promise<ProofAnswer> {
    if (!this.#audit) throw new Refusal('not-found', 'this process keeps no history (HISTORY)');
    return this.#audit.proof(question, actorOf(contextOf(request).caller));
  }

  #operator(request: FastifyRequest): void {
    this.#reads.visibleTo(contextOf(request).caller).operator();
  }
}
