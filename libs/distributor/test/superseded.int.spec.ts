import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from '@nva/domain/testing';
import { feedKey } from '@nva/ports';
import { tethered, until } from '@nva/processes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EAGER_COMPACTION } from '../../kafka/test/kafka-feed.ts';
import { attach, nve, vn } from '../../registrar/test/harness.ts';
import type { ChildTask } from './distributing-child.ts';
import { LOWER, Sharing, topicOf, UPPER } from './sharing.ts';

/** Of the lower half of the shards, three of them, and of the upper one. */
const VNIDS = [1, 2, 65, 33];
const NVES = ['nve1', 'nve2', 'nve3'];
/** Of changes until the child comes to where it stops. */
const MAX_ROUNDS = 200;
const binding = (tsId: number): object => ({ bindings: VNIDS.map((vnid, i) => ({ bid: i + 1, vnid, ip: `192.0.2.${tsId}` })) });

let sharing: Sharing;
let child: ChildProcess;
let said: string[];
let forwarding: AbortController;
beforeEach(async () => {
  sharing = await Sharing.make(EAGER_COMPACTION);
  said = [];
  forwarding = new AbortController();
});
afterEach(async () => {
  child.kill('SIGKILL');
  forwarding.abort();
  await sharing.dispose();
});

const saying = async (start: string): Promise<string> => {
  await until(`the child says «${start}»`, () => (said.some((line) => line.startsWith(start)) ? null : said.join(', ')));
  return said.find((line) => line.startsWith(start))!;
};

/** Starts a distributor in a process of its own, to which the log is told as it grows. */
function startChild(stopAt: ChildTask['stopAt']): void {
  const { brokers, prefix } = sharing.feed;
  const task: ChildTask = {
    brokers,
    prefix,
    topicConfig: EAGER_COMPACTION,
    owned: LOWER,
    logId: sharing.store.logId,
    stopAt: { ...stopAt, topic: `${prefix}.${stopAt.topic}` },
  };
  child = spawn(
    ...tethered(process.execPath, [
      '--conditions=source',
      '--disable-warning=TimeoutNegativeWarning',
      join(import.meta.dirname, 'distributing-child.ts'),
      JSON.stringify(task),
    ]),
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  createInterface({ input: child.stdout! }).on('line', (line) => said.push(line));
  const { stdin } = child;
  // It ends while it is still being told.
  stdin!.on('error', () => undefined);
  void (async () => {
    for await (const message of sharing.store.subscribe({ signal: forwarding.signal })) {
      if (message.kind === 'events') for (const recorded of message.events) stdin!.write(`${JSON.stringify(recorded)}\n`);
      else stdin!.write('\n');
    }
  })();
}

describe('a distributor of one half of the shards, stopped in the middle of a send, superseded, and continued', () => {
  it.each<ChildTask['stopAt']>([
    { moment: 'before the send', topic: 'nve.nve2', nth: 2 },
    { moment: 'before the commit', topic: 'nve.nve2', nth: 3 },
    { moment: 'before the commit', topic: 'vn.1', nth: 4 },
    { moment: 'in the commit', topic: 'vn.2', nth: 3 },
  ])('$moment of its transaction with $topic: every topic ends with the newest value of every key, compaction included', async (stopAt) => {
    const upper = await sharing.start(UPPER);
    await sharing.submit(...VNIDS.map((vnid) => vn(vnid)), ...NVES.map((nveId) => nve(nveId)));
    startChild(stopAt);
    await saying('started');
    await sharing.submit(attach('t1', 'nve1', 1, binding(1)), attach('t2', 'nve1', 2, binding(2)));
    let round = 0;
    const change = async (): Promise<void> => {
      const to = NVES[++round % NVES.length]!;
      await sharing.submit(
        attach('t1', to, 1, { bindings: null }),
        command('changeMac', { tsId: 't2', mac: `02:00:00:00:01:${(round % 256).toString(16).padStart(2, '0')}` }),
      );
      await sleep(10);
    };
    for (let left = MAX_ROUNDS; left > 0 && !said.includes('stopping'); left--) await change();
    await saying('stopping');
    await saying('stopping');

    const successor = await sharing.start(LOWER, { clientId: 'successor' });
    for (let more = 0; more < NVES.length; more++) await change();
    await sharing.published(successor);
    child.kill('SIGCONT');
    expect(await saying('ended')).toMatch(/^ended FeedFenced: Shard \d+ of the feeds was taken over by successor on /);
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(1);
    // Another round over what it may have left.
    await change();
    for (const running of [successor, upper]) await sharing.published(running);
    await sharing.expectTopicsEqualFold();

    const due = sharing.due();
    const feeds = await sharing.feed.writer().list();
    expect(feeds.map(feedKey).toSorted()).toEqual([...due.keys()].toSorted());
    for (const feed of feeds)
      await compacted(
        topicOf(sharing.feed, feed),
        due.get(feedKey(feed))!.map(({ key, position }) => `${key}@${position}`),
      );
    expect(upper.failures).toEqual([]);
    expect(upper.distributor.counters).toMatchObject({ publishFailures: 0, reconciliations: 1 });
    expect(successor.distributor.counters).toMatchObject({ publishFailures: 0, reconciliations: 1 });
  });
});

/** Has the broker compact the topic until each key is there once; what is left of those that live is what is due. */
async function compacted(topic: string, due: readonly string[]): Promise<void> {
  const fill = (): Promise<void> => sharing.feed.send(topic, [{ key: 'filler', value: null }]);
  const left = (
    await sharing.feed.compacted(topic, fill, (records) => {
      const keys = records.map(({ key }) => key!.toString()).filter((key) => key !== 'filler');
      return new Set(keys).size === keys.length;
    })
  ).filter(({ value }) => value !== null);
  expect(left.map(({ key, headers }) => `${key!.toString()}@${String(headers!['position'])}`).toSorted(), topic).toEqual(due);
}
