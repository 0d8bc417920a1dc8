/**
 * What a process does: takes commands (registrar), publishes what they change (distributor), answers questions (admin). `apps/nva` does all
 * of it; the other applications one each, over a log that they share.
 */
export type Role = 'registrar' | 'distributor' | 'admin';

export const ROLES: readonly Role[] = ['registrar', 'distributor', 'admin'];
