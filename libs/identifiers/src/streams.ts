/** Names of the log's streams: one per aggregate (design, «The way of a change»). */
export const tsStream = (tsId: string): string => `ts-${tsId}`;
export const vnStream = (vnid: number): string => `vn-${vnid}`;
/** Who owns the terms of a group (R34). */
export const oracleStream = (group: string): string => `oracle-${group}`;
export const nveStream = (nveId: string): string => `nve-${nveId}`;
