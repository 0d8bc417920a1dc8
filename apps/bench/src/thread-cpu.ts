/**
 * Loaded into a measured process: on SIGUSR2 it prints the processor time of its main thread so far, which does not depend on
 * other load of the machine.
 */
process.on('SIGUSR2', () => {
  const { user, system } = process.threadCpuUsage();
  process.stdout.write(`${JSON.stringify({ level: 'info', msg: 'main thread', seconds: (user + system) / 1e6 })}\n`);
});
