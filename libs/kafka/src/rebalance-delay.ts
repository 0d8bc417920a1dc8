import kafkajs, { type Admin } from 'kafkajs';
import type { Log } from './options.ts';

const SETTING = 'group.initial.rebalance.delay.ms';

/**
 * Warns if a broker has the delay, 3 s by default, for which a new group waits before it may fetch: here every join of a feed
 * makes a new group. Never rejects.
 */
export async function warnOfRebalanceDelay(admin: Admin, log: Log): Promise<void> {
  try {
    const { brokers } = await admin.describeCluster();
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: brokers.map(({ nodeId }) => ({ type: kafkajs.ConfigResourceTypes.BROKER, name: String(nodeId), configNames: [SETTING] })),
    });
    for (const { resourceName, configEntries } of resources) {
      const delayMs = Number(configEntries.find((entry) => entry.configName === SETTING)?.configValue ?? 0);
      if (delayMs !== 0)
        log('warn', `Broker ${resourceName} has ${SETTING}=${delayMs}: joining a VN takes that much longer; it should be 0`, {
          broker: resourceName,
          delayMs,
        });
    }
  } catch (failure) {
    log('debug', `Could not see ${SETTING} of the brokers: ${String(failure)}`);
  }
}
