import { connect } from 'node:net';

const ANSWER_TIMEOUT_MS = 2_000;

/**
 * True if a Kafka broker answers on the port. A KRaft broker opens it early, but handles requests only once it has joined its
 * cluster, so that an answer means ready. Asks with the smallest request there is (Kafka protocol guide, «ApiVersions»):
 *
 *     size int32 | api_key int16 = 18 | api_version int16 = 0 | correlation_id int32 | client_id nullable string, int16 length = -1
 */
export async function answersApiVersions(port: number): Promise<boolean> {
  const request = Buffer.alloc(14);
  request.writeInt32BE(10, 0);
  request.writeInt16BE(18, 4);
  request.writeInt16BE(-1, 12);
  return new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (answered: boolean) => (): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(ANSWER_TIMEOUT_MS, done(false));
    socket.once('connect', () => socket.write(request));
    socket.once('data', done(true));
    socket.once('close', done(false));
    socket.once('error', done(false));
  });
}
