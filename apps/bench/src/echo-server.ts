/** The limit of NDJSON over HTTP: a bare node:http server that only parses each line and answers one. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ANSWER = `${JSON.stringify({ status: 200, position: '1', revision: 0, effective: true, conflicts: [], memberships: [1] })}\n`;

const server = createServer((incoming, outgoing) => {
  let rest = '';
  outgoing.writeHead(200, { 'content-type': 'application/x-ndjson' });
  incoming.setEncoding('utf8');
  incoming.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!;
    let answers = '';
    for (const part of parts) if (JSON.parse(part)) answers += ANSWER;
    outgoing.write(answers);
  });
  incoming.on('end', () => outgoing.end());
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`));
