/**
 * A process of its own: an NVE that sends its heartbeats in time, each on a connection of its own behind those of others, whatever
 * becomes of them.
 */
import { get, request } from 'node:http';

const EVERY_MS = 300;
/** All that is sent while the NVA is busy must find room in the queue of its listening socket, which is 511 long. */
const OTHERS = 8;
const [url, nveId] = process.argv.slice(2) as [string, string];

let lastMs = performance.now();
let longestGapMs = 0;

setInterval(() => {
  const nowMs = performance.now();
  longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
  lastMs = nowMs;
  for (let n = 0; n < OTHERS; n++) get(`${url}/healthz`, { agent: false }, (response) => response.resume()).on('error', () => undefined);
  const call = request(
    `${url}/v1/nves/${nveId}/heartbeat`,
    { method: 'POST', agent: false, headers: { 'content-type': 'application/json' } },
    (response) => response.resume(),
  );
  call.on('error', () => undefined);
  call.end('{"incarnation":1}');
}, EVERY_MS);

process.on('message', () => process.send!(longestGapMs, () => process.exit()));
process.on('disconnect', () => process.exit());
process.send!('ready');
