import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const LOWEST_PORT = 10_000;
/** From this port on Linux takes ports for outgoing connections (net.ipv4.ip_local_port_range). */
const FIRST_EPHEMERAL_PORT = 32_768;

/**
 * A port that nobody listens on. It is not chosen by the kernel: the kernel's choice is in the range for outgoing connections,
 * and the caller may take seconds until it listens.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST_PORT, FIRST_EPHEMERAL_PORT);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) =>
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)),
    );
    await new Promise((resolve) => server.close(resolve));
    if (free) return port;
  }
}
