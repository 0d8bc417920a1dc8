import { readPosition } from '@nva/commands';
import { Refusal } from '@nva/identifiers';
import type { Replica } from '@nva/replica';
import type { FastifyRequest } from 'fastify';
import { FOLD_WAIT_MS } from '../log/loss-watch.ts';

/**
 * Lets a caller read its own writes on any instance: a request with `X-Min-Position` is answered once the fold has passed that
 * position, which is the position in the answer to the write. Throws Refusal `behind`, with the present position, if this
 * instance does not reach the position in time.
 */
export async function awaitMinPosition(request: FastifyRequest, replica: Replica): Promise<void> {
  const received = request.headers['x-min-position'];
  if (received === undefined) return;
  const position = readPosition(received, 'X-Min-Position');
  if (await replica.passedWithin(position, FOLD_WAIT_MS)) return;
  const actual = String(replica.network.position);
  throw new Refusal('behind', `this instance is at position ${actual} and did not reach ${position} in time`, {
    field: 'X-Min-Position',
    received,
    expected: String(position),
    actual,
  });
}
