import { openStore } from './support.ts';

/** A child process that opens a log and keeps it open, or says why not. */
try {
  await openStore(process.argv[2]!);
  process.send!('open');
} catch (error) {
  process.send!((error as Error).name);
  process.disconnect();
}
