export { ConfigError, readConfig, type NvaConfig } from './config.ts';
export { ROLES, type Role } from './roles.ts';
export { run } from './run.ts';
export { createService, type Service, type ServiceOptions } from './service.ts';
