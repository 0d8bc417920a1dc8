export * from './condition.ts';
export * from './play.ts';
export * from './played-log.ts';
export * from './verification.ts';
