import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseConnectionString } from './connection-string.ts';

describe('a connection string', () => {
  it.each([
    ['esdb://127.0.0.1:2113?tls=false', 'esdb://127.0.0.1:2113?tls=false'],
    ['kurrentdb://nva:secret@host:2113?tls=true', 'esdb://nva:secret@host:2113?tls=true'],
    ['kurrent+discover://host:2113?keepAliveInterval=20000', 'esdb+discover://host:2113?keepAliveInterval=20000'],
    ['esdb://a:1,b:2?nodePreference=Leader', 'esdb://a:1,b:2?nodePreference=Leader'],
  ])('%s is for the leader in everything', (url, leader) => {
    expect(parseConnectionString(url)).toEqual({ leader, preferred: null });
  });

  it.each(['nodePreference', 'node-preference', 'NODE_PREFERENCE'])('with another «%s» has a second one, for what may lag', (option) => {
    const url = `esdb://a:1,b:2?tls=false&${option}=follower&gossipTimeout=2`;
    expect(parseConnectionString(url)).toEqual({ leader: url.replace('follower', 'leader'), preferred: url });
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
