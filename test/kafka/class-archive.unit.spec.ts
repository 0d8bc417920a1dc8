import { describe, expect, it } from 'vitest';
import { classArchive } from './class-archive.ts';

/** A Java that nobody has, so that no archive of a real one is met. */
const java = (name: string) => ({ command: 'java', banner: `${name} ${process.pid} ${performance.timeOrigin}` });

describe('an archive of the classes of a broker', () => {
  it.each([
    ['whose making fails', () => Promise.reject(new Error('Address already in use'))],
    ['of a Java that makes none', () => Promise.resolve()],
  ])('%s is done without, and the next who asks tries again', async (name, start) => {
    let tries = 0;
    const ask = (): Promise<string | null> => classArchive(java(name), () => (tries++, start()));
    expect(await ask()).toBeNull();
    expect(await ask()).toBeNull();
    expect(tries).toBe(2);
  });

  it('is made by one at a time; others go without meanwhile', async () => {
    const { promise: done, resolve: end } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const first = classArchive(java('one at a time'), () => (begin(), done));
    await begun;
    let second = false;
    expect(await classArchive(java('one at a time'), async () => void (second = true))).toBeNull();
    expect(second).toBe(false);
    end();
    expect(await first).toBeNull();
  });
});
