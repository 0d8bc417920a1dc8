export { ConfigError, readConfig, type NvaConfig } from './config.ts';
export { createNva, type NvaOptions, type NvaServer } from './nva.ts';
