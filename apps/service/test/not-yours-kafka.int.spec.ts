import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kafkaCommandNames, type CommandLine } from '@nva/codec';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CommandTopics, OPERATOR_TOKEN } from './kafka-commands-support.ts';
import { CASES, lineOf, OWN, withoutName, WORLD } from './strangers.ts';
import { startNva, type NvaFixture } from './support.ts';

let directory: string;
let topics: CommandTopics;
let nva: NvaFixture;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nva-not-yours-'));
  topics = await CommandTopics.make(directory, {}, [OWN.nveId]);
  nva = await startNva({ env: topics.env });
  for (const [method, path, body] of WORLD)
    await nva.http[method](path).set('authorization', `Bearer ${OPERATOR_TOKEN}`).send(body).expect(200);
});

afterAll(async () => {
  await nva.stop();
  await topics.dispose();
  await rm(directory, { recursive: true });
});

const overKafka: readonly string[] = kafkaCommandNames;
const cases = CASES.filter(({ write }) => overKafka.includes(write.command));

describe('to an NVE that sends commands over Kafka, what is not there, another tenant’s, or elsewhere is one and the same', () => {
  it('are all the commands that go over Kafka', () => expect(new Set(cases.map(({ write }) => write.command))).toEqual(new Set(overKafka)));

  it.each(cases)('in an outcome: $what', async ({ write, asked, refused: [status, code] }) => {
    const before = await nva.head();
    const outcomes = await Promise.all(
      asked.map(({ names, fields }) => topics.sender(OWN.nveId).send(lineOf(write, names, fields) as CommandLine)),
    );
    const answers = outcomes.map(({ idempotencyKey: _key, correlationId: _id, ...outcome }, i) => withoutName(outcome, asked[i]!.named));
    expect(new Set(answers), answers.join('\n')).toHaveProperty('size', 1);
    expect(outcomes[0]).toMatchObject({ status, code });
    expect(await nva.head()).toBe(before);
  });
});
