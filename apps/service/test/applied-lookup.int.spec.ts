import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import type { Network } from '@nva/fold';
import { AppliedLookup } from '../src/core/applied-lookup.ts';
import { AppliedReports } from '../src/core/applied-reports.ts';

it('what NVEs have proven is known of all of them, also at a process that has to ask for it, however many there are', async () => {
  const names = Array.from({ length: 2_345 }, (_, i) => `nve-${String(i).padStart(5, '0')}`);
  let asked = 0;
  const owner = createServer((request, response) => {
    const { searchParams } = new URL(request.url!, 'http://owner');
    const [after, limit] = [searchParams.get('after')!, Number(searchParams.get('limit'))];
    const items = names
      .filter((nveId) => nveId > after)
      .slice(0, limit)
      .map((nveId) => ({ nveId, applied: [{ vnid: 7, log: 'l', position: '9', digest: 'd', verdict: 'same' }] }));
    asked++;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ items }));
  });
  await new Promise<void>((resolve) => void owner.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(owner.address() as AddressInfo).port}`;
  const network = (): Network => ({ oracles: new Map([['all', { url }]]) }) as unknown as Network;
  const lookup = new AppliedLookup({ reports: Object.create(AppliedReports.prototype) as AppliedReports, network, hears: () => false });
  try {
    const some = await lookup.ofThese([names[3]!, names[2_000]!, 'unknown'], undefined);
    expect([some(names[3]!, 7), some(names[2_000]!, 7)]).toMatchObject([{ verdict: 'same' }, { verdict: 'same' }]);
    expect([some('unknown', 7), some(names[3]!, 8), some(names[4]!, 7)]).toEqual([null, null, null]);
    expect(asked).toBe(3);
    await lookup.ofThese([names[3]!], undefined);
    expect(asked).toBe(4);
    await lookup.ofThese([], undefined);
  } finally {
    owner.close();
  }
});
