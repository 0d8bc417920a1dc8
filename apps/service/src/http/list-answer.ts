import { CSV_LISTS, csvHeader, csvRow } from '@nva/codec';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { CSV_TYPE, JSON_TYPE, NDJSON_TYPE, wantedForm, type ListForm } from './accepted.ts';

type Item = Readonly<Record<string, unknown>>;

interface InstantBody {
  readonly position: string;
  readonly recordedAt: string;
}

/** A page of a list, with the instants that it is of. */
export interface ListPage {
  readonly items: readonly Item[];
  readonly next?: string;
  readonly at?: InstantBody;
  readonly from?: InstantBody;
  readonly to?: InstantBody;
}

export type ListName = keyof typeof CSV_LISTS;

/** Asks for the page after another one. */
export type NextPage = (next: string, page: ListPage) => Promise<string>;

/**
 * Answers with a list: with its first page as JSON, or by `Accept` with all of it in lines, NDJSON or CSV. The pages are asked for one
 * by one as the caller takes them, so that one page is held. If one of them cannot be answered, the connection is cut off, since the
 * status was sent.
 */
export async function answerList(
  name: ListName,
  first: string,
  nextPage: NextPage,
  { headers }: Pick<FastifyRequest, 'headers'>,
  reply: FastifyReply,
): Promise<void> {
  const form = wantedForm(headers.accept);
  void reply.header('vary', 'accept');
  if (form === 'json') return void (await reply.type(JSON_TYPE).send(first));
  const page = JSON.parse(first) as ListPage;
  // In lines there is no place for them.
  for (const instant of ['at', 'from', 'to'] as const) {
    const found = page[instant];
    if (found) void reply.headers({ [`x-${instant}-position`]: found.position, [`x-${instant}-recorded-at`]: found.recordedAt });
  }
  await reply.type(form === 'csv' ? CSV_TYPE : NDJSON_TYPE).send(Readable.from(lines(name, form, page, nextPage), { highWaterMark: 1 }));
}

async function* lines(name: ListName, form: ListForm, first: ListPage, nextPage: NextPage): AsyncGenerator<string, void> {
  const fields = CSV_LISTS[name];
  if (form === 'csv') yield csvHeader(fields);
  const line = form === 'csv' ? (item: Item) => csvRow(fields, item) : (item: Item) => `${JSON.stringify(item)}\n`;
  for (let page = first; ;) {
    if (page.items.length > 0) yield page.items.map(line).join('');
    if (page.next === undefined) return;
    page = JSON.parse(await nextPage(page.next, page)) as ListPage;
  }
}
