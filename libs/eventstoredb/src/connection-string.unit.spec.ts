import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseConnectionString } from './connection-string.ts';

describe('a connection string', () => {
  it.each([
    ['esdb://127.0.0.1:2113?tls=false', ['127.0.0.1:2113'], true, 'esdb://n:1?tls=false'],
    ['kurrentdb://nva:secret@host?tls=true', ['host:2113'], true, 'esdb://nva:secret@n:1?tls=true'],
    ['kurrent+discover://host:2113?keepAliveInterval=20000', ['host:2113'], false, 'esdb://n:1?keepAliveInterval=20000'],
    ['esdb+discover://first:1,second:2', ['first:1'], false, 'esdb://n:1'],
    ['esdb://nva:se%40cret@a:1,b:2/?nodePreference=Leader', ['a:1', 'b:2'], false, 'esdb://nva:se%40cret@n:1?nodePreference=Leader'],
  ])('%s is for the leader in everything, which %j are asked for', (url, seeds, direct, one) => {
    const { leader, preferred } = parseConnectionString(url);
    expect(leader).toMatchObject({ direct, preference: 'leader', gossipTimeoutMs: 2_000 });
    expect(leader.seeds.map(({ host, port }) => `${host}:${port}`)).toEqual(seeds);
    expect(leader.at({ host: 'n', port: 1 })).toBe(one);
    expect(leader.asking({ host: 'n', port: 1 })).toBe(one.replace('?keepAliveInterval=20000', ''));
    expect(preferred).toBeNull();
  });

  it.each(['nodePreference', 'node-preference', 'NODE_PREFERENCE'])('with another «%s» names another node for what may lag', (option) => {
    const { leader, preferred } = parseConnectionString(`esdb://a:1,b:2?tls=false&${option}=follower&gossipTimeout=3`);
    expect(leader).toMatchObject({ preference: 'leader', gossipTimeoutMs: 3_000 });
    expect(preferred).toMatchObject({ preference: 'follower', direct: false });
  });

  it.each([
    ['http://nva:secret@host:2113', 'esdb://'],
    ['esdb://nva:secret@', 'host'],
    ['esdb://nva:secret@host:port', 'port number'],
    ['esdb://nva:secret@host:2113?tls=perhaps', 'true or false'],
    ['esdb://nva:secret@host:2113?nodePreference=nearest', 'read_only_replica'],
    ['esdb://nva:secret@host:2113?tls=true&tlsCAFile=/nowhere/ca.crt', 'file'],
    ['esdb://nva:secret@host:2113?tlsVerifyCert=false', 'tlsVerifyCert'],
    ['esdb://nva:secret@host:2113?throwOnAppendFailure=false', 'throwOnAppendFailure'],
    ['esdb://nva:secret@host:2113?keepAlive=1', 'keepAlive'],
    ['esdb://nva:secret@host:2113?defaultDeadline=-1', 'number'],
  ])('%s is refused, and nothing that the error holds tells the password', (url, message) => {
    let error: unknown;
    try {
      parseConnectionString(url);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toContain(message);
    expect(inspect(error, { showHidden: true, depth: Infinity })).not.toContain('secret');
  });
});
