/** A command of an NVE, encoded and signed: one record on the topic of commands. */
export interface CommandRecord {
  /** The tenant system's id, or `nve/<nveId>`. Commands with the same key are decided in the order in which they were sent. */
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch; covered by the signature. */
  readonly timestamp: number;
}

/** The NVE's way to the registrars and back; delivery is at least once in both directions. */
export interface CommandTransport {
  /** The topic that records go to; the signature covers it too. */
  readonly topic: string;

  /**
   * Follows the NVE's outcomes from their present end on. Rejects with FeedUnavailable if they cannot be reached yet; it may then
   * be called again. The transport recovers from later failures itself; every outcome since the first `open` is delivered.
   */
  open(outcome: (value: Buffer) => void): Promise<void>;

  /** Resolves when the brokers have the record. After a rejection the record may be there or not. The order is that of the calls. */
  send(record: CommandRecord): Promise<void>;

  close(): Promise<void>;
}
