import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_EVENT_CHARACTERS, NveClient, REFUSED_RETRY_MS, SILENCE_MS, SseTransport, type NveEvents } from '@nva/nve';
import { contextEntry, mappingEntry, memberEntry, membershipEntry } from '@nva/nve/testing';
import { FeedDenied, FeedUnavailable, type FeedName, type FeedRecord, type FeedSink, type FeedSubscription } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HandTimers } from './clients.ts';
import { SseServer } from './sse-server.ts';

const LOG = 'aaaaaaaa-0000-4000-8000-000000000000';
const OTHER_LOG = 'bbbbbbbb-0000-4000-8000-000000000000';
const VN: FeedName = { kind: 'vn', vnid: 100 };
const [contextKey, context] = contextEntry(100);
const [memberKey, member] = memberEntry('nve1');
const [mappingKey, mapping] = mappingEntry('vm1', 'nve1', { mac: '02:00:00:00:00:01', ip: '10.0.0.1' });

const isRetry = (delayMs: number): boolean => delayMs !== SILENCE_MS;

/** What a sink was told, in short, and the cursors that it was given. */
class Story implements FeedSink {
  readonly told: string[] = [];
  /** Of the last interruption. */
  cause: Error | null = null;
  readonly records: FeedRecord[] = [];
  readonly cursors: (string | null)[] = [];

  restart(reason: string): void {
    this.told.push(`restart: ${reason}`);
  }
  record(record: FeedRecord, cursor: string): void {
    this.records.push(record);
    this.cursors.push(cursor);
    this.told.push(`${record.key}@${record.position}${record.changeEnd ? '.' : ''}`);
  }
  complete(cursor: string | null, upTo?: { readonly log: string; readonly position: number }): void {
    this.cursors.push(cursor);
    this.told.push(`complete@${upTo?.position}`);
  }
  undecodable(failure: { readonly key: string | null }): void {
    this.told.push(`undecodable ${failure.key}`);
  }
  interrupted(cause: Error): void {
    this.cause = cause;
    this.told.push(`interrupted ${cause.name}`);
  }
  resumed(): void {
    this.told.push('resumed');
  }
  async until(last: string): Promise<void> {
    await vi.waitFor(() => expect(this.told.at(-1)).toBe(last), { timeout: 240_000, interval: 2 });
  }
}

describe('the transport over Server-Sent Events', () => {
  let server: SseServer;
  let timers: HandTimers;
  let transport: SseTransport;
  let story: Story;
  const follow = (feed: FeedName = VN, resume?: string): FeedSubscription =>
    transport.follow(feed, resume === undefined ? {} : { resume }, story);
  const retry = async (): Promise<void> => {
    await vi.waitFor(() => expect(timers.delaysMs.some(isRetry)).toBe(true), 120_000);
    timers.fire(isRetry);
  };

  beforeEach(async () => {
    server = await SseServer.start();
    timers = new HandTimers();
    transport = new SseTransport({ baseUrl: `${server.url}/`, token: 'secret', timers, random: () => 0.5 });
    story = new Story();
  });
  afterEach(async () => {
    await transport.close();
    await server.close();
  });

  it('asks with its token for a stream of events, without a place to resume after', async () => {
    follow();
    follow({ kind: 'nve', nveId: 'leaf-1' });
    const requests = [await server.next(), await server.next()];
    expect(requests.map(({ url }) => url).sort()).toEqual(['/v1/nves/leaf-1/feed', '/v1/vns/100/feed']);
    expect(requests[0]!.headers).toMatchObject({ accept: 'text/event-stream', authorization: 'Bearer secret' });
    expect(requests[0]!.headers).not.toHaveProperty('last-event-id');
  });

  it('reads a snapshot, its end, and what comes then, change by change', async () => {
    follow();
    const stream = await server.next();
    stream.hello(LOG, 'snapshot').record(contextKey, context!.data, 3).record(memberKey, member!.data, 4).snapshotComplete(LOG, 9);
    stream
      .write(': keep-alive\n\n')
      .record(memberKey, member!.data, 12)
      .record(mappingKey, mapping!.data, 12, `${LOG}/12`)
      .record(mappingKey, null, 15, `${LOG}/15`);
    await story.until(`${mappingKey}@15.`);
    expect(story.told).toEqual([
      'restart: read from the start',
      'context@3',
      'member/nve1@4',
      'complete@9',
      'member/nve1@12',
      `${mappingKey}@12.`,
      `${mappingKey}@15.`,
    ]);
    expect(story.records[3]).toEqual({ key: mappingKey, value: mapping, position: 12, log: LOG, changeEnd: true });
    expect(story.cursors).toEqual([`${LOG}/0`, `${LOG}/0`, `${LOG}/9`, `${LOG}/9`, `${LOG}/12`, `${LOG}/15`]);
  });

  it('reads an empty feed as complete, with nothing to resume after', async () => {
    follow();
    (await server.next()).hello(LOG, 'snapshot').snapshotComplete(LOG, 0);
    await story.until('complete@0');
    expect(story.cursors).toEqual([null]);
  });

  it('reads records that arrive cut anywhere, multi-byte characters too', async () => {
    follow();
    const stream = await server.next();
    stream.hello(LOG, 'snapshot');
    const bytes = Buffer.from('data: {"key":"member/nve1","value":null,"position":"7","correlationId":"ü"}\n\n');
    const middleOfUmlaut = bytes.indexOf('ü') + 1;
    stream.write(bytes.subarray(0, middleOfUmlaut));
    await sleep(20);
    stream.write(bytes.subarray(middleOfUmlaut));
    await story.until('member/nve1@7');
    expect(story.records[0]?.correlationId).toBe('ü');
  });

  it('resumes after the last whole change when the stream breaks (X6)', async () => {
    follow();
    const first = await server.next();
    first
      .hello(LOG, 'snapshot')
      .snapshotComplete(LOG, 9)
      .record(memberKey, member!.data, 12, `${LOG}/12`)
      .record(memberKey, member!.data, 15);
    await story.until('member/nve1@15');
    first.cut();
    await story.until('interrupted FeedUnavailable');
    await retry();
    const second = await server.next();
    expect(second.headers['last-event-id']).toBe(`${LOG}/12`);
    second
      .hello(LOG, 'resume')
      .record(memberKey, member!.data, 15)
      .record(mappingKey, mapping!.data, 15, `${LOG}/15`)
      .snapshotComplete(LOG, 15);
    await story.until('complete@15');
    expect(story.told.slice(-5)).toEqual(['interrupted FeedUnavailable', 'resumed', 'member/nve1@15', `${mappingKey}@15.`, 'complete@15']);
  });

  it('starts over when the server cannot resume, or is of another log', async () => {
    follow(VN, `${LOG}/12`);
    const stream = await server.next();
    expect(stream.headers['last-event-id']).toBe(`${LOG}/12`);
    stream.hello(OTHER_LOG, 'snapshot').record(contextKey, context!.data, 2).snapshotComplete(OTHER_LOG, 2);
    await story.until('complete@2');
    expect(story.told[0]).toBe(`restart: the server could not resume after ${LOG}/12`);
    expect(story.records[0]?.log).toBe(OTHER_LOG);
  });

  it('does not resume a snapshot that broke off, even if its records had ids', async () => {
    follow();
    const first = await server.next();
    first.hello(LOG, 'snapshot').record(contextKey, context!.data, 3, `${LOG}/3`);
    await story.until('context@3.');
    first.end();
    await story.until('interrupted FeedUnavailable');
    await retry();
    expect((await server.next()).headers).not.toHaveProperty('last-event-id');
  });

  it('takes 45 s of silence for an interruption, but not silence broken by comments', async () => {
    follow();
    const stream = await server.next();
    stream.hello(LOG, 'snapshot').snapshotComplete(LOG, 9);
    await story.until('complete@9');
    expect(timers.delaysMs).toEqual([SILENCE_MS]);
    timers.fire((delayMs) => delayMs === SILENCE_MS);
    await story.until('interrupted FeedUnavailable');
    await vi.waitFor(() => expect(stream.gone).toBe(true), 120_000);
  });

  it.each([
    ...[401, 403, 404].map((code) => [code, 'FeedStreamRefused', FeedDenied] as const),
    // Neither is a denial, which an NVE would leave a VN in doubt for (X6).
    ...[409, 429].map((code) => [code, 'FeedStreamDelayed', FeedUnavailable] as const),
  ])('is interrupted by %i, and asks again, slowly: %s', async (code, name, kind) => {
    follow();
    (await server.next()).refuse(code);
    await story.until(`interrupted ${name}`);
    expect(story.cause).toBeInstanceOf(kind);
    await vi.waitFor(() => expect(timers.delaysMs).toEqual([REFUSED_RETRY_MS]), 120_000);
    await retry();
    (await server.next()).hello(LOG, 'snapshot').snapshotComplete(LOG, 1);
    await story.until('complete@1');
    expect(story.told).toEqual([`interrupted ${name}`, 'resumed', 'restart: read from the start', 'complete@1']);
  });

  it('tells again why it is interrupted when it is refused now, and when it is not any more', async () => {
    follow();
    for (const code of [503, 403, 403, 503]) {
      (await server.next()).refuse(code);
      await retry();
    }
    (await server.next()).hello(LOG, 'snapshot').snapshotComplete(LOG, 1);
    await story.until('complete@1');
    expect(story.told.slice(0, 4)).toEqual([
      'interrupted FeedUnavailable',
      'interrupted FeedStreamRefused',
      'interrupted FeedUnavailable',
      'resumed',
    ]);
  });

  it.each([
    ['20', 25_000],
    ['0', 625],
    ['9999', 375_000],
    ['tomorrow', REFUSED_RETRY_MS],
  ])('after 429 with Retry-After %s asks again after %i ms, and not before that', async (retryAfter, delayMs) => {
    follow();
    (await server.next()).refuse(429, { 'retry-after': retryAfter });
    await story.until('interrupted FeedStreamDelayed');
    await vi.waitFor(() => expect(timers.delaysMs).toEqual([delayMs]), 120_000);
  });

  it('backs off while the server does not answer as it should, and tells of it once', async () => {
    follow();
    for (const delayMs of [500, 1000, 2000]) {
      (await server.next()).refuse(503);
      await vi.waitFor(() => expect(timers.delaysMs).toEqual([delayMs]), 120_000);
      await retry();
    }
    expect(story.told).toEqual(['interrupted FeedUnavailable']);
    (await server.next()).hello(LOG, 'snapshot').snapshotComplete(LOG, 1).end();
    await story.until('interrupted FeedUnavailable');
    await vi.waitFor(() => expect(timers.delaysMs).toEqual([500]), 120_000);
  });

  it.each<[string, (stream: Awaited<ReturnType<SseServer['next']>>) => unknown]>([
    ['a page', (stream) => stream.answer('text/html', '<p>data: x</p>')],
    ['a record before hello', (stream) => stream.answer('text/event-stream', 'data: {}\n\n')],
    ['a resumption that was not asked for', (stream) => stream.hello(LOG, 'resume')],
    ['an event without end', (stream) => stream.hello(LOG, 'snapshot').write(`data: ${'x'.repeat(MAX_EVENT_CHARACTERS)}`)],
  ])('takes %s for a broken stream', async (_, answer) => {
    follow();
    answer(await server.next());
    await story.until('interrupted SseProtocolError');
    await retry();
    await server.next();
  });

  it('tells of a record that it cannot understand and goes on', async () => {
    follow();
    (await server.next())
      .hello(LOG, 'snapshot')
      .snapshotComplete(LOG, 1)
      .record('gateway/g', { macs: [] }, 5, `${LOG}/5`)
      .record(memberKey, { nveId: 7 }, 6, `${LOG}/6`)
      .record(memberKey, member!.data, 7, `${LOG}/7`);
    await story.until('member/nve1@7.');
    expect(story.told.slice(2)).toEqual(['undecodable gateway/g', 'undecodable member/nve1', 'member/nve1@7.']);
  });

  it('says no more once it is closed, from within the sink too', async () => {
    const stopAt = { sub: null as FeedSubscription | null };
    story.complete = () => void stopAt.sub!.close();
    stopAt.sub = follow();
    const stream = await server.next();
    stream
      .hello(LOG, 'snapshot')
      .write(
        `event: snapshot-complete\nid: ${LOG}/1\ndata: {}\n\nid: ${LOG}/2\ndata: {"key":"member/nve1","value":null,"position":"2"}\n\n`,
      );
    await vi.waitFor(() => expect(stream.gone).toBe(true), 120_000);
    await stopAt.sub.close();
    expect(story.told).toEqual(['restart: read from the start']);
    expect(timers.delaysMs).toEqual([]);
  });

  it('carries a client from its memberships to a table that resolves (X8)', async () => {
    const client = new NveClient({ nveId: 'nve2', transport });
    client.start();
    const own = await server.next();
    expect(own.url).toBe('/v1/nves/nve2/feed');
    const [key, membership] = membershipEntry(100, 5);
    own
      .hello(LOG, 'snapshot')
      .record(key, { ...membership!.data, since: '5' }, 5)
      .snapshotComplete(LOG, 5);
    const vn = await server.next();
    vn.hello(LOG, 'snapshot')
      .record(contextKey, context!.data, 3)
      .record(memberKey, member!.data, 4)
      .record(mappingKey, mapping!.data, 4)
      .snapshotComplete(LOG, 8);
    await vi.waitFor(
      () => expect(client.resolve(100, { ip: '10.0.0.1' })).toMatchObject({ outcome: 'remote', via: { nveId: 'nve1' } }),
      120_000,
    );
    expect(client.applied()).toMatchObject([{ vnid: 100, log: LOG, position: '8' }]);
    vn.cut();
    await vi.waitFor(() => expect(client.status()[0]?.state).toBe('interrupted'), 120_000);
    expect(client.resolve(100, { ip: '10.0.0.1' })).not.toBeNull();
    await client.close();
  });

  describe('and changes whose end was told anew by a later one, to a client', () => {
    const [, ownMember] = memberEntry('nve2');
    const [vm2Key, vm2] = mappingEntry('vm2', 'nve1', { mac: '02:00:00:00:00:02', ip: '10.0.0.2' });
    const keysOf = (told: readonly NveEvents['change'][]): string[] =>
      told.map(
        ({ cause, position, changes }) => `${cause}@${position} ${changes.map(({ key, after }) => `${after ? '+' : '-'}${key}`).join(' ')}`,
      );

    /** A client in VN 100, with vm1 at nve1, whose VN's table is whole at position 8. */
    const live = async () => {
      const client = new NveClient({ nveId: 'nve2', transport });
      const told: NveEvents['change'][] = [];
      client.on('change', (change) => told.push(change));
      client.start();
      const [key, membership] = membershipEntry(100, 5);
      (await server.next())
        .hello(LOG, 'snapshot')
        .record(key, { ...membership!.data, since: '5' }, 5)
        .snapshotComplete(LOG, 5);
      const stream = await server.next();
      stream
        .hello(LOG, 'snapshot')
        .record(contextKey, context!.data, 3)
        .record(memberKey, member!.data, 4)
        .record(mappingKey, mapping!.data, 4)
        .record('member/nve2', ownMember!.data, 5)
        .snapshotComplete(LOG, 8);
      await vi.waitFor(() => expect(client.applied()).toMatchObject([{ position: '8' }]), 120_000);
      told.splice(0);
      return { client, told, stream };
    };

    it('live are applied with the next change that has an end, as one', async () => {
      const { client, told, stream } = await live();
      // vm1 passed its address on at 20, which was told anew at 40; 30 is whole.
      stream.record(mappingKey, null, 20).record(vm2Key, vm2!.data, 30, `${LOG}/30`);
      await vi.waitFor(() => expect(keysOf(told)).toEqual([`change@30 -${mappingKey} +${vm2Key}`]), 120_000);
      stream.record(mappingKey, mapping!.data, 40, `${LOG}/40`);
      await vi.waitFor(() => expect(keysOf(told).at(-1)).toBe(`change@40 +${mappingKey}`), 120_000);
      expect(client.applied()).toMatchObject([{ position: '40' }]);
      await client.close();
    });

    it('of a resume are one change, at its `snapshot-complete`: before it the table is that of the place resumed after, with its digest', async () => {
      const { client, told, stream } = await live();
      const [before] = client.applied();
      stream.cut();
      await retry();
      const first = await server.next();
      expect(first.headers['last-event-id']).toBe(`${LOG}/8`);
      // An address passed on from vm1 at 20, by way of vm3, to vm2 at 40: what is left of 20 is the removal.
      first
        .hello(LOG, 'resume')
        .record(mappingKey, null, 20)
        .record('member/nve3', { ...member!.data, nveId: 'nve3' }, 30, `${LOG}/30`);
      await vi.waitFor(() => expect(client.status()[0]!.state).toBe('live'), 120_000);
      first.cut();
      await vi.waitFor(() => expect(client.status()[0]!.state).toBe('interrupted'), 120_000);
      await retry();
      const second = await server.next();
      expect(second.headers['last-event-id']).toBe(`${LOG}/30`);
      second.hello(LOG, 'resume').record(vm2Key, vm2!.data, 40, `${LOG}/40`);
      await vi.waitFor(() => expect(client.status()[0]!.state).toBe('live'), 120_000);
      expect([told, client.applied()]).toEqual([[], [before]]);
      second.snapshotComplete(LOG, 41);
      await vi.waitFor(() => expect(keysOf(told)).toEqual([`change@40 -${mappingKey} +member/nve3 +${vm2Key}`]), 120_000);
      expect(client.applied()).toMatchObject([{ position: '41' }]);
      await client.close();
    });

    it('of a resume that has one which cannot be understood are applied as far as they came', async () => {
      const { client, told, stream } = await live();
      stream.cut();
      await retry();
      const resumed = (await server.next()).hello(LOG, 'resume').record(mappingKey, null, 20).record('gateway/gw1', {}, 30);
      resumed.record(vm2Key, vm2!.data, 100, `${LOG}/100`).snapshotComplete(LOG, 100);
      await vi.waitFor(() => expect(keysOf(told)).toEqual([`change@20 -${mappingKey}`, `change@100 +${vm2Key}`]), 120_000);
      expect(client.status()[0]!.degraded).toEqual(['gateway/gw1']);
      await client.close();
    });
  });

  it('does not take a snapshot of a VN without a context for its table (X6)', async () => {
    const client = new NveClient({ nveId: 'nve2', transport });
    client.start();
    const [key, membership] = membershipEntry(100, 5);
    (await server.next())
      .hello(LOG, 'snapshot')
      .record(key, { ...membership!.data, since: '5' }, 5)
      .snapshotComplete(LOG, 5);
    const first = await server.next();
    const [ownKey, own] = memberEntry('nve2');
    first.hello(LOG, 'snapshot').record(memberKey, member!.data, 4).record(ownKey, own!.data, 5).snapshotComplete(LOG, 8);
    await vi.waitFor(() => expect(client.status()).toMatchObject([{ state: 'incomplete', position: null, digest: null }]), 120_000);
    expect(client.table(100)).toBeNull();
    first.record(contextKey, context!.data, 9, `${LOG}/9`);
    await vi.waitFor(() => expect(client.status()[0]?.state).toBe('live'), 120_000);
    expect(client.applied()).toMatchObject([{ vnid: 100, position: '9' }]);
    // The place is resumed after, and the server starts over with less than there was.
    first.cut();
    await retry();
    const second = await server.next();
    second.hello(LOG, 'snapshot').record(mappingKey, mapping!.data, 10).snapshotComplete(LOG, 10);
    await vi.waitFor(() => expect(client.status()[0]?.state).toBe('incomplete'), 120_000);
    expect([...client.table(100)!.members.keys()]).toEqual(['nve1', 'nve2']);
    await client.close();
  });
});
