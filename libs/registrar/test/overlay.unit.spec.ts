import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTenantSystemCommand, streamOf, takersName, type Command, type Facts, type PassAddress } from '@nva/domain';
import { createEventCodec } from '@nva/codec';
import { auditAt, command } from '@nva/domain/testing';
import { factsOf, Network } from '@nva/fold';
import { Refusal, tsNameOf, tsStream } from '@nva/identifiers';
import type { RecordedEvent } from '@nva/ports';
import { commands, passings, play, prelude, racyLog, withPassing } from '../../fold/test/races.ts';
import { Decisions } from '../src/decisions.ts';
import { Overlay } from '../src/overlay.ts';
import { NOTHING_PENDING, QuotaKeeper } from '../src/quota-keeper.ts';
import { OPERATOR } from './harness.ts';

const codec = createEventCodec();

const TS = ['ts1', 'ts2', 'ts3', 'ts4', 'ts5'];
const NVES = ['nve1', 'nve2', 'nve3', 'NVE1', 'nve.1'];
const VNIDS = [1, 2, 3];
const MACS = [1, 2, 3, 4, 5, 6, 7].map((n) => `02:00:00:00:00:0${n}`);
const IPS = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5', '2001:db8::1', '2001:db8::2'];

/** Every fact that a decision may ask for in the small universe of the racing logs. */
function told(facts: Facts): Record<string, unknown> {
  const answers: Record<string, unknown> = {};
  for (const vnid of VNIDS) {
    const vn = facts.vn(vnid);
    answers[`vn ${vnid}`] = vn && [vn.tenantId, vn.service];
    answers[`vnInUse ${vnid}`] = facts.vnInUse(vnid);
    for (const mac of MACS) answers[`mac ${vnid} ${mac}`] = facts.holder(vnid, 'mac', mac)?.tsId;
    for (const ip of IPS) answers[`ip ${vnid} ${ip}`] = facts.holder(vnid, 'ip', ip)?.tsId;
    for (const tsId of TS)
      for (const tenantId of ['red', 'blue']) answers[`orphaned ${tsId}@${tenantId} ${vnid}`] = facts.orphaned({ tsId, tenantId }, vnid);
  }
  for (const nveId of NVES) {
    answers[`known ${nveId}`] = facts.nveKnown(nveId);
    answers[`disconnected ${nveId}`] = facts.nveDisconnected(nveId);
    answers[`like ${nveId}`] = facts.nveNamedLike(nveId);
    answers[`attachments ${nveId}`] = facts.attachmentsAt(nveId);
    for (const address of ['198.51.100.129', '198.51.100.130', '198.51.100.131'])
      answers[`tunnel ${address} but ${nveId}`] = facts.tunnelHolder(address, nveId);
  }
  return answers;
}

const folded = (log: readonly RecordedEvent[]): Network => {
  const network = new Network();
  for (const event of log) network.apply(event);
  return network;
};

/** Every registrar is up to date but for who uses what, so that a VN may go under a tenant system. */
const logOf = (...given: Command[]): RecordedEvent[] =>
  play([...prelude, ...given.map((one) => ({ command: one, lag: 0, blind: true, gap: 1 }))]);
const putVn = command('putVn', { vnid: 1, tenantId: 'red', name: 'a', service: 'l3', encapsulation: 'vxlan' });
const attach = (tsId: string, mac: string, bindings: readonly object[]): Command =>
  command('attach', { tsId, tenantId: 'red', vmId: tsId, nveId: 'nve1', mac, bindings });
const ts1 = attach('ts1', '02:00:00:00:00:01', [{ bid: 2, vnid: 1, ip: '192.0.2.1' }]);
const deleteVn = command('deleteVn', { vnid: 1 });

/**
 * Of a VN that went under ts1, and is there again: what ts1 has of the one before is in none, and what it registers now is in the
 * new one.
 */
const ORPHANED: [RecordedEvent[], Command[]][] = [
  [
    logOf(
      ts1,
      deleteVn,
      putVn,
      attach('ts5', '02:00:00:00:00:04', []),
      command('registerBindings', { tsId: 'ts1', bindings: [{ bid: 1, vnid: 1, ip: '192.0.2.5' }] }),
    ),
    [command('passAddress', { tsId: 'ts1', to: 'ts5', vnid: 1, ip: '192.0.2.5' })],
  ],
  [logOf(ts1, deleteVn), [putVn, ts1, deleteVn]],
];

describe('the overlay over what is folded', () => {
  it('answers every fact, and what is used of every quota, as a network that had folded what is pending would, while that is being folded too', () => {
    let decided = 0;
    let passed = 0;
    fc.assert(
      fc.property(
        racyLog(40),
        fc.array(fc.oneof({ weight: 4, arbitrary: commands }, { weight: 1, arbitrary: passings }), {
          minLength: 1,
          maxLength: 12,
          size: 'max',
        }),
        (log, wanted) => {
          const network = folded(log);
          const twin = folded(log);
          const overlay = new Overlay(network, true);
          const quotas = { tenant: new Map(), nve: new Map() };
          const keepers = [new QuotaKeeper(quotas, network, overlay), new QuotaKeeper(quotas, twin, NOTHING_PENDING)];
          const used = (): unknown[] =>
            keepers.map((keeper) => [
              ...['red', 'blue'].map((id) => keeper.used('tenant', id)),
              ...['nve1', 'nve2', 'nve3'].map((id) => ({ ...keeper.used('nve', id), vns: null })),
            ]);
          const expectSame = (when: string): void => {
            expect(told(overlay.facts), when).toEqual(told(factsOf(twin)));
            const [pendingUse, foldedUse] = used();
            expect(pendingUse, when).toEqual(foldedUse);
          };
          const decisions = new Decisions(network, overlay, null);
          let position = network.position;
          const pending: RecordedEvent[] = [];
          const add = (stream: string, revision: number, event: RecordedEvent['event']): void => {
            const recorded = {
              position: ++position,
              stream,
              revision,
              id: `pending-${position}`,
              event: codec.decode(codec.encode(event)),
            };
            pending.push(recorded);
            twin.apply(recorded);
          };
          for (const next of wanted) {
            try {
              decide(next, add);
            } catch (error) {
              if (!(error instanceof Refusal)) throw error;
              continue;
            }
            expectSame(JSON.stringify(pending));
          }
          for (const recorded of pending) {
            network.apply(recorded);
            overlay.folded(recorded.stream, recorded.revision);
            if (recorded.event.type === 'AddressPassed') {
              passed++;
              overlay.passed(
                tsStream(network.namesakes.nameOf(network.takerOf(recorded.event, recorded.stream)!)),
                recorded.stream,
                recorded.revision,
              );
            }
            expectSame(`folded up to ${recorded.position} of ${JSON.stringify(pending)}`);
          }
          expect(overlay.size).toBe(0);
          decided += pending.length;

          function decide(given: Command, record: typeof add): void {
            const names = new Set([
              ...network.tenantSystems.keys(),
              ...overlay.pendingTenantSystems().map((ts) => tsNameOf(tsStream(ts.tsId))!),
            ]);
            const next = withPassing(
              given,
              [...names].map((name) => overlay.tenantSystem(name)).filter((ts) => ts !== null),
            );
            // Takeovers are no commands, and who decides a lapse owns the deadlines as far as it knows.
            if ((next.type as string) === 'takeOver' || 'group' in next) return;
            const stream = streamOf(next, overlay);
            const request = { command: next, caller: OPERATOR, correlationId: 'c' };
            const { revision } = overlay.stream(stream);
            if (next.type === 'passAddress') {
              const toStream = tsStream(takersName(next as PassAddress, overlay, undefined));
              const toRevision = overlay.stream(toStream).revision;
              const passing = decisions.passing(request, stream, toStream, auditAt(0));
              if (!passing) return;
              overlay.expectPassing(stream, toStream, passing);
              record(toStream, toRevision + 1, passing.awaited);
              record(stream, revision + 1, passing.passed);
              return;
            }
            const event = decisions.event(request, stream, auditAt(0));
            if (!event) return;
            overlay.expect(stream, event);
            record(stream, revision + 1, event);
            expect(isTenantSystemCommand(next)).toBe(tsNameOf(stream) !== undefined);
          }
        },
      ),
      { numRuns: 1_500, examples: ORPHANED },
    );
    expect(decided).toBeGreaterThan(1_000);
    expect(passed).toBeGreaterThan(40);
  });
});
