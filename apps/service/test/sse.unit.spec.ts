import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { InProcessFeed } from '@nva/in-process-feed';
import type { FeedName, FeedRecord } from '@nva/ports';
import { FeedStream, MAX_WAITING_RECORDS, parseResumePoint } from '../src/sse.ts';
import { until } from './support.ts';

const LOG = '00000000-0000-4000-8000-000000000000';
const FEED: FeedName = { kind: 'vn', vnid: 1 };

/** A consumer that takes nothing until it is let. */
class Consumer extends Writable {
  text = '';
  #go: (() => void) | null = null;
  #open = false;

  writeHead(): this {
    return this;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    if (this.#open) setImmediate(done);
    else this.#go = done;
  }

  read(): void {
    this.#open = true;
    this.#go?.();
  }
}

const removal = (position: number): FeedRecord => ({ key: `mapping/ts${position % 5}/10.0.0.1`, value: null, position, log: LOG, changeEnd: true });

async function follow(): Promise<{ feed: InProcessFeed; consumer: Consumer; stream: Promise<boolean>; publish(from: number, count: number): Promise<void> }> {
  const feed = new InProcessFeed();
  await feed.open();
  await feed.ensure([FEED]);
  const consumer = new Consumer();
  const stream = new FeedStream(consumer as unknown as ServerResponse, LOG, () => true).run(feed, FEED, null, {});
  const publish = (from: number, count: number): Promise<void> => feed.publish([{ feed: FEED, records: Array.from({ length: count }, (_, i) => removal(from + i)) }]);
  return { feed, consumer, stream, publish };
}

describe('a stream of a feed', () => {
  it('sends a consumer away that lets more than the bound wait, and forgets what waited', async () => {
    const { feed, consumer, stream, publish } = await follow();
    // The first records are handed to the consumer, who takes none of them; the others wait.
    await publish(1, 1_000);
    await delay(1);
    await publish(1_001, MAX_WAITING_RECORDS);
    expect(consumer.destroyed).toBe(false);
    await publish(1_001 + MAX_WAITING_RECORDS, 1);
    expect(consumer.destroyed).toBe(true);
    expect(await stream).toBe(true);
    expect(feed.followers).toBe(0);
  });

  it('gives a slow consumer everything in order', async () => {
    const { feed, consumer, stream, publish } = await follow();
    for (let i = 0; i < 20; i++) await publish(1 + i * 1_000, 1_000);
    consumer.read();
    await until(() => consumer.text.includes(`id: ${LOG}/20000\n`));
    expect([...consumer.text.matchAll(/^id: .*\/(\d+)\ndata: \{"key/gm)].map(([, position]) => Number(position))).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1));
    feed.endFollowers();
    await stream;
  });
});

describe('a Last-Event-ID', () => {
  it.each([
    [`${LOG}/7`, { log: LOG, position: 7 }],
    [undefined, null],
    ['', null],
    [`${LOG}/`, null],
    [`${LOG}/-1`, null],
    [`${LOG}/9999999999999999`, null],
    ['7', null],
  ])('%s is read as %j', (header, expected) => {
    expect(parseResumePoint(header)).toEqual(expected);
  });
});
