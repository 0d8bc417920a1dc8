import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';
import { startBroker, type RunningBroker } from './broker.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where specs ask for the broker of this run. */
    readonly kafkaUrl: string;
  }
}

/**
 * One broker for the whole test run, started when the first spec asks for it: a run without Kafka specs starts none, and
 * needs no Java. Specs ask over HTTP, since a global set-up can hand them only what it knows before they run.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let starting: Promise<RunningBroker> | undefined;
  const server: Server = createServer((_request, response) => {
    void brokersOrReason().then((answer) => response.end(JSON.stringify(answer)));
  });
  const brokersOrReason = async (): Promise<{ brokers: string } | { reason: string }> => {
    const given = process.env['KAFKA_BROKERS'];
    if (given) return { brokers: given };
    try {
      starting ??= startBroker();
      return { brokers: (await starting).brokers };
    } catch (failure) {
      return { reason: failure instanceof Error ? failure.message : String(failure) };
    }
  };
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  project.provide('kafkaUrl', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await (await starting?.catch(() => undefined))?.stop();
  };
}
