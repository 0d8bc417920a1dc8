import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { answersApiVersions } from './answers.ts';
import { startBroker, type RunningBroker } from './broker.ts';
import { kafkaBrokers } from './brokers.ts';

describe('the broker of the test run', () => {
  it('answers at the addresses that specs are given', async () => {
    const [first] = await kafkaBrokers();
    expect(first).toMatch(/:\d+$/);
    if (first!.startsWith('127.0.0.1:')) expect(await answersApiVersions(Number(first!.split(':')[1]))).toBe(true);
  });
});

describe('a broker of a spec’s own', () => {
  let broker: RunningBroker | undefined;
  afterEach(() => broker?.stop());

  it('starts on a free port, and leaves nothing behind', async () => {
    broker = await startBroker();
    const port = Number(broker.brokers.split(':')[1]);
    expect(await answersApiVersions(port)).toBe(true);
    await broker.stop();
    expect(await answersApiVersions(port)).toBe(false);
    expect(existsSync(broker.logFile)).toBe(false);
  });
});
