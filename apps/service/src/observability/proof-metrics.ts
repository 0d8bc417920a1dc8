import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '@nva/ports';
import type { Audit } from '../audit/audit.ts';
import type { ProofStatus, WitnessStatus } from '../tlog/status.ts';

const NONE: ProofStatus = { size: 0, position: 0, madeAtMs: null, isForked: false, forks: 0, witnesses: [] };

/** What is signed of the log, and by whom. */
export function registerProof(registry: Registry, audit: Pick<Audit, 'proofStatus'>, clock: Clock): void {
  const registers = [registry];
  const status = (): ProofStatus => audit.proofStatus ?? NONE;
  const gauges: readonly (readonly [name: string, help: string, read: () => number])[] = [
    ['nva_proof_checkpoint_size', 'Events that the last signed checkpoint has.', () => status().size],
    ['nva_proof_checkpoint_position', 'Log position up to which the log is signed.', () => status().position],
    [
      'nva_proof_checkpoint_age_seconds',
      'Age of the last checkpoint of this start; it grows while nothing happens. 0 before the first.',
      () => {
        const { madeAtMs } = status();
        return madeAtMs === null ? 0 : Math.max(0, clock.wallMs() - madeAtMs) / 1_000;
      },
    ],
    ['nva_proof_forked', '1 while nothing is signed, since the log does not continue what was.', () => Number(status().isForked)],
  ];
  for (const [name, help, read] of gauges)
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  new Counter({
    name: 'nva_proof_forks_total',
    help: 'Times that a fork was found: this log does not continue what was signed, or a witness or another admin has another log.',
    registers,
    collect() {
      this.reset();
      this.inc(status().forks);
    },
  });
  new Gauge({
    name: 'nva_proof_cosigned_size',
    help: 'Events of the last checkpoint that the witness has cosigned.',
    labelNames: ['witness'],
    registers,
    collect() {
      for (const { name, size } of status().witnesses) this.set({ witness: name }, size);
    },
  });
  const byWitness = (name: string, help: string, read: (witness: WitnessStatus) => number): void =>
    void new Counter({
      name,
      help,
      labelNames: ['witness'],
      registers,
      collect() {
        this.reset();
        for (const witness of status().witnesses) this.inc({ witness: witness.name }, read(witness));
      },
    });
  byWitness('nva_proof_cosignatures_total', 'Checkpoints that the witness has cosigned.', ({ cosignatures }) => cosignatures);
  byWitness('nva_proof_cosignature_failures_total', 'Requests to the witness that brought no cosignature.', ({ failures }) => failures);
}
