export * from './addresses.ts';
export * from './names.ts';
export * from './numbers.ts';
export * from './received.ts';
export * from './refusal.ts';
export * from './streams.ts';
export * from './text.ts';
