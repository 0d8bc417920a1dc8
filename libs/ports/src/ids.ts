import { randomUUID } from 'node:crypto';

/** Makes unique names for events, processes and requests. */
export interface Ids {
  /** A UUID, version 4. */
  uuid(): string;
}

export const randomIds: Ids = { uuid: () => randomUUID() };
