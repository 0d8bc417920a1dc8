import { commandSignature, createCommandCodec, lineOf, type CommandLine, type CommandOutcome, type NveCommand } from '@nva/codec';
import { systemTimers, type CommandRecord, type CommandTransport } from '@nva/ports';
import { beforeEach, describe, expect, it } from 'vitest';
import { CommandUnanswered, KafkaCommands, type Timers } from '../src/index.ts';

const SECRET = Buffer.alloc(32, 3);
const codec = createCommandCodec();

/** A transport that a test plays by hand. */
class PlayedTransport implements CommandTransport {
  readonly topic = 'nvo3.commands';
  readonly sent: CommandRecord[] = [];
  openings = 0;
  down = false;
  #outcome: (value: Buffer) => void = () => undefined;

  open(outcome: (value: Buffer) => void): Promise<void> {
    this.openings++;
    this.#outcome = outcome;
    return this.down ? Promise.reject(new Error('away')) : Promise.resolve();
  }

  send(record: CommandRecord): Promise<void> {
    this.sent.push(record);
    return this.down ? Promise.reject(new Error('away')) : Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  answer(record: CommandRecord, fields: Partial<CommandOutcome> = {}): void {
    const none = {
      position: null,
      revision: null,
      effective: null,
      conflicts: [],
      memberships: [],
      code: null,
      detail: null,
      field: null,
      received: null,
      row: null,
      expected: null,
      actual: null,
      done: null,
      remaining: null,
    };
    const { 'idempotency-key': idempotencyKey, 'correlation-id': correlationId } = record.headers as Record<string, string>;
    this.#outcome(
      codec.encode({
        type: 'CommandOutcome',
        data: { ...none, idempotencyKey: idempotencyKey!, correlationId: correlationId!, status: 200, ...fields },
      }),
    );
  }

  garbage(): void {
    this.#outcome(Buffer.from('hello'));
  }
}

/** Time passes by itself only. */
class PlayedTime implements Timers {
  nowMs = 1_000;
  #due: { readonly atMs: number; readonly act: () => void }[] = [];

  after(delayMs: number, act: () => void): () => void {
    const entry = { atMs: this.nowMs + delayMs, act };
    this.#due.push(entry);
    return () => (this.#due = this.#due.filter((other) => other !== entry));
  }

  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    const due = this.#due.filter(({ atMs }) => atMs <= this.nowMs);
    this.#due = this.#due.filter((entry) => !due.includes(entry));
    for (const { act } of due) act();
    await settled();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

let transport: PlayedTransport;
let time: PlayedTime;
let sender: KafkaCommands;
beforeEach(() => {
  transport = new PlayedTransport();
  time = new PlayedTime();
  sender = new KafkaCommands({
    nveId: 'nve1',
    secret: SECRET,
    transport,
    timers: time,
    resendAfterMs: 100,
    giveUpAfterMs: 350,
    clock: { ...systemTimers, wallMs: () => 1_790_000_000_000, monotonicMs: () => time.nowMs },
  });
});

const detach = (tsId: string): CommandLine => ({ command: 'detach', nveId: 'nve1', tsId });

describe('a command of an NVE over Kafka', () => {
  it('is signed, keyed by its tenant system, and resolves with its outcome', async () => {
    const outcome = sender.send(detach('ts1'), { idempotencyKey: 'k', correlationId: 'c' });
    await settled();
    const [record] = transport.sent;
    expect(lineOf(codec.decode(record!.value) as NveCommand)).toEqual(detach('ts1'));
    const signature = commandSignature(SECRET, {
      topic: 'nvo3.commands',
      key: 'ts1',
      nveId: 'nve1',
      correlationId: 'c',
      idempotencyKey: 'k',
      timestamp: 1_790_000_000_000,
      value: record!.value,
    }).toString('hex');
    expect(record).toMatchObject({
      key: 'ts1',
      timestamp: 1_790_000_000_000,
      headers: { 'nve': 'nve1', signature, 'correlation-id': 'c', 'idempotency-key': 'k' },
    });
    transport.garbage();
    transport.answer(record!, { status: 409, code: 'ts-not-at-nve' });
    transport.answer(record!, { status: 200 });
    expect(await outcome).toMatchObject({ status: 409, code: 'ts-not-at-nve', idempotencyKey: 'k' });
    expect(sender.unanswered).toBe(0);
  });

  it('about the NVE itself is keyed by it', async () => {
    void sender.send({ command: 'disconnectNve', nveId: 'nve1' }).catch(() => undefined);
    await settled();
    expect(transport.sent.map(({ key }) => key)).toEqual(['nve/nve1']);
    await sender.close();
  });

  it('on all that the NVE has goes out when everything before it has its outcome, and nothing after it goes out before its own', async () => {
    const keys = (): (string | null)[] => transport.sent.map(({ key }) => key);
    const outcomes = [
      detach('ts1'),
      detach('ts2'),
      { command: 'keepOnly', nveId: 'nve1', incarnation: 1, tenantSystems: [{ tsId: 'ts3' }] },
      detach('ts4'),
    ].map((line) => sender.send(line));
    await settled();
    expect(keys()).toEqual(['ts1', 'ts2']);
    transport.answer(transport.sent[0]!, { status: 200 });
    await settled();
    expect(keys()).toEqual(['ts1', 'ts2']);
    transport.answer(transport.sent[1]!, { status: 409, code: 'ts-not-at-nve' });
    await settled();
    expect(keys()).toEqual(['ts1', 'ts2', 'nve/nve1']);
    transport.answer(transport.sent[2]!, { status: 200, done: 2, remaining: 0 });
    await settled();
    expect(keys()).toEqual(['ts1', 'ts2', 'nve/nve1', 'ts4']);
    transport.answer(transport.sent[3]!, { status: 200 });
    expect((await Promise.all(outcomes)).map(({ status, done }) => [status, done])).toEqual([
      [200, null],
      [409, null],
      [200, 2],
      [200, null],
    ]);
    expect(sender.unanswered).toBe(0);
  });

  it('goes out again, the very same record, until it has an outcome', async () => {
    const outcome = sender.send(detach('ts1'));
    await settled();
    await time.pass(100);
    await time.pass(100);
    expect(transport.sent).toHaveLength(3);
    expect(new Set(transport.sent).size).toBe(1);
    transport.answer(transport.sent[0]!);
    expect(await outcome).toMatchObject({ status: 200 });
    await time.pass(100);
    expect(transport.sent).toHaveLength(3);
  });

  it('is given up in the end, and says under which key it may have been done', async () => {
    const outcome = sender.send(detach('ts1'), { idempotencyKey: 'k' }).catch((error: unknown) => error);
    await settled();
    transport.down = true;
    for (let i = 0; i < 4; i++) await time.pass(100);
    const failure = (await outcome) as CommandUnanswered;
    expect(failure).toBeInstanceOf(CommandUnanswered);
    expect(failure.idempotencyKey).toBe('k');
    expect(failure.cause).toEqual(new Error('away'));
  });

  it('waits for brokers that are away, and is not sent before its outcome could be read', async () => {
    transport.down = true;
    const outcome = sender.send(detach('ts1'));
    await settled();
    expect([transport.openings, transport.sent.length]).toEqual([1, 0]);
    transport.down = false;
    await time.pass(100);
    expect([transport.openings, transport.sent.length]).toEqual([2, 1]);
    transport.answer(transport.sent[0]!);
    expect(await outcome).toMatchObject({ status: 200 });
  });

  it('waits for the one before it of the same tenant system, and for no other', async () => {
    const outcomes = [sender.send(detach('ts1')), sender.send(detach('ts1')), sender.send(detach('ts2'))];
    await settled();
    expect(transport.sent.map(({ key }) => key)).toEqual(['ts1', 'ts2']);
    transport.answer(transport.sent[0]!, { status: 409, code: 'ts-not-at-nve' });
    await settled();
    expect(transport.sent.map(({ key }) => key)).toEqual(['ts1', 'ts2', 'ts1']);
    for (const record of transport.sent) transport.answer(record);
    expect((await Promise.all(outcomes)).map(({ status }) => status)).toEqual([409, 200, 200]);
  });

  it('that cannot be one is refused here: a heartbeat, an id that is none, a secret that is too short', async () => {
    await expect(sender.send({ command: 'heartbeat', nveId: 'nve1', incarnation: 1 })).rejects.toThrow('does not go over Kafka');
    await expect(sender.send(detach('ts1'), { idempotencyKey: 'a b' })).rejects.toThrow(RangeError);
    expect(() => new KafkaCommands({ nveId: 'nve1', secret: Buffer.alloc(31), transport })).toThrow(RangeError);
    expect(transport.sent).toEqual([]);
  });

  it('has no outcome when the sender is closed', async () => {
    const outcome = sender.send(detach('ts1')).catch((error: unknown) => error);
    await settled();
    await sender.close();
    expect(await outcome).toBeInstanceOf(CommandUnanswered);
    await expect(sender.send(detach('ts1'))).rejects.toThrow(CommandUnanswered);
  });
});
