export * from './addresses.ts';
export * from './names.ts';
export * from './numbers.ts';
export * from './refusal.ts';
export * from './streams.ts';
