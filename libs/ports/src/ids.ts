import { randomUUID } from 'node:crypto';

/** Where names come from that nobody else has: of events, of processes, of requests. */
export interface Ids {
  /** A UUID, version 4. */
  uuid(): string;
}

export const randomIds: Ids = { uuid: () => randomUUID() };
