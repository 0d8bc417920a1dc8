/**
 * Measures the fold in a separate process, so that the heap holds nothing else. Arguments: memory <mappings> <vns> | replay
 * <directory>.
 */
import { createEventCodec } from '@nva/codec';
import { SqliteEventStore } from '@nva/event-log';
import { Network } from '@nva/fold';
import { systemClock } from '@nva/ports';
import { attached, foundation, streamOf } from './workload.ts';

const [mode, argument, vns] = process.argv.slice(2);
const collect = globalThis.gc ?? (() => undefined);

function memory(mappings: number, workload: { vns: number; nves: number }): object {
  const network = new Network();
  const codec = createEventCodec();
  let position = 0;
  const apply = (event: Parameters<typeof codec.encode>[0]): void =>
    void network.apply({ position: ++position, stream: streamOf(event), revision: 0, event: codec.decode(codec.encode(event)) });
  collect();
  const before = process.memoryUsage();
  for (const event of foundation(workload)) apply(event);
  for (let i = 0; i < mappings; i++) apply(attached(workload, i));
  collect();
  const after = process.memoryUsage();
  const bytes = after.heapUsed + after.external - before.heapUsed - before.external;
  if (network.tenantSystems.size !== mappings) throw new Error(`folded ${network.tenantSystems.size} of ${mappings}`);
  return { bytesPerMapping: bytes / mappings };
}

async function replay(directory: string): Promise<object> {
  const rates: number[] = [];
  for (let round = 0; round < 5; round++) {
    const store = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock: systemClock });
    const network = new Network();
    let folded = 0;
    collect();
    const start = performance.now();
    for await (const { events } of store.readAll()) {
      for (const event of events) network.apply(event);
      folded += events.length;
    }
    rates.push((folded / (performance.now() - start)) * 1_000);
    await store.close();
  }
  return { rates: rates.slice(1) };
}

const result = mode === 'memory' ? memory(Number(argument), { vns: Number(vns), nves: 500 }) : await replay(argument!);
process.stdout.write(JSON.stringify(result));
