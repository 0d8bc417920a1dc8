/** A command of an NVE, encoded and signed: one record on the topic of commands. */
export interface CommandRecord {
  /** The tenant system's id, or `nve/<nveId>`: what has one key is decided in the order in which it was sent. */
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch; under the signature. */
  readonly timestamp: number;
}

/** The NVE's way to the registrars and back, both at least once. */
export interface CommandTransport {
  /** The topic that records go to, which is under their signature too. */
  readonly topic: string;

  /**
   * Follows the NVE's outcomes from their present end on. Rejects with FeedUnavailable if they cannot be reached yet; may then be called
   * again. What fails later the transport mends by itself; every outcome since the first `open` comes.
   */
  open(outcome: (value: Buffer) => void): Promise<void>;

  /** Resolves when the brokers have it. After a rejection it may be there or not. Order is that of the calls. */
  send(record: CommandRecord): Promise<void>;

  close(): Promise<void>;
}
