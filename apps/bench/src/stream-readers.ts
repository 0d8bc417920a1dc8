import { connect, type Socket } from 'node:net';
import { isMainThread, workerData } from 'node:worker_threads';

const READ_LIMIT_MS = 120_000;
const COMPLETE = Buffer.from('event: snapshot-complete');

/** A reader of the feed of VN 1, on its own socket. */
export function follow(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET /v1/vns/1/feed HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`);
  return socket.on('error', () => undefined);
}

function readWhole(url: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = follow(url);
    let tail: Buffer = Buffer.alloc(0);
    socket.on('data', (data) => {
      const seam = Buffer.concat([tail, data.subarray(0, COMPLETE.length)]);
      tail = data.subarray(-COMPLETE.length);
      if (!data.includes(COMPLETE) && !seam.includes(COMPLETE)) return;
      socket.destroy();
      resolve();
    });
  });
}

if (!isMainThread) {
  const { url, readers } = workerData as { readonly url: string; readonly readers: number };
  const late = setTimeout(() => process.exit(1), READ_LIMIT_MS);
  await Promise.all(Array.from({ length: readers }, () => readWhole(url)));
  clearTimeout(late);
}
