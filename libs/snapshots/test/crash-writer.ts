/** Writes one snapshot, then a second one slowly, until it is killed. Argument: the directory. */
import { silentLogger, systemClock } from '@nva/ports';
import { SnapshotDirectory } from '../src/index.ts';
import { Folded, NEVER, someLog } from './support.ts';

const events = someLog(4);
const directory = new SnapshotDirectory({ path: process.argv[2]!, clock: systemClock, logger: silentLogger });
await directory.write(new Folded(events.slice(0, 10)).contents(), NEVER);
const contents = new Folded(events).contents();
process.stdout.write('writing\n');
// More keys than will ever be written.
await directory.write({ ...contents, keys: endless() }, NEVER);

function* endless() {
  for (let n = 0; ; n++)
    yield {
      actor: 'operator:a',
      key: `key-${n}`,
      requestDigest: 'aa',
      recordedAt: 1_790_000_000_000,
      position: 1,
      revision: 0,
      effective: true,
      conflicts: [],
      memberships: [],
    };
}
