/**
 * Loaded into a process that is measured: on SIGUSR2 it says what its main thread has computed so far, which is the same whoever
 * else uses the machine.
 */
process.on('SIGUSR2', () => {
  const { user, system } = process.threadCpuUsage();
  process.stdout.write(`${JSON.stringify({ level: 'info', msg: 'main thread', seconds: (user + system) / 1e6 })}\n`);
});
