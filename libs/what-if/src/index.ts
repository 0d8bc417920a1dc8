export * from './what-if.ts';
export * from './effects.ts';
export * from './sentences.ts';
