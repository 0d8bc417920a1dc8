export { ConfigError, readConfig, type NvaConfig } from './config/config.ts';
export { ROLES, type Role } from './config/roles.ts';
export { run } from './process/run.ts';
export { createService, type Service, type ServiceOptions } from './process/service.ts';
