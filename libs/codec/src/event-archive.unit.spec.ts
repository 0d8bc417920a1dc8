import { describe, expect, it } from 'vitest';
import { samplesOfEveryType } from '../../../test/contract/event-samples.ts';
import { ArchiveDamaged, ArchiveWriter, createEventCodec, readArchive, type ArchivedEvent } from './index.ts';

const codec = createEventCodec();
const log = '0b5a1f3e-7c51-4a2b-9f0e-3d2c1b0a9f8e';
const EVENTS: readonly ArchivedEvent[] = samplesOfEveryType().map((event, i) => ({
  position: i + 1,
  stream: `s-${i % 3}`,
  revision: Math.floor(i / 3),
  id: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
  bytes: codec.encode(event),
}));

function archive(events = EVENTS, to = EVENTS.length): Buffer {
  const writer = new ArchiveWriter(codec, { log, to, schemas: codec.schemas.map(({ schema }) => schema as object) });
  const blocks: Buffer[] = [];
  for (let from = 0; from < events.length; from += 7) blocks.push(writer.block(events.slice(from, from + 7)));
  return Buffer.concat([writer.header(), ...blocks]);
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, size = 4_096): Promise<readonly ArchivedEvent[]> {
  const { events } = await readArchive(inPieces(bytes, size));
  const all: ArchivedEvent[] = [];
  for await (const batch of events) all.push(...batch);
  return all;
}
const plain = (events: readonly ArchivedEvent[]): object[] =>
  events.map(({ bytes, ...rest }) => ({ ...rest, bytes: Buffer.from(bytes).toString('hex') }));

describe('an archive', () => {
  it.each([1, 17, 4_096, 10_000_000])('gives every event back, in pieces of %d bytes', async (size) => {
    const bytes = archive();
    const { header } = await readArchive(inPieces(bytes, size));
    expect(header).toEqual({ log, to: EVENTS.length, schemas: codec.schemas.map(({ schema }) => schema) });
    expect(plain(await read(bytes, size))).toEqual(plain(EVENTS));
  });

  it('of no events is an archive', async () => {
    expect(await read(archive([], 0))).toEqual([]);
  });

  it('that is cut off anywhere is not whole', async () => {
    const bytes = archive();
    const cuts = [...Array.from({ length: 40 }, (_, i) => Math.floor((i * bytes.length) / 40)), bytes.length - 1];
    for (const cut of cuts) await expect(read(bytes.subarray(0, cut)), `at ${cut} of ${bytes.length}`).rejects.toThrow(ArchiveDamaged);
  });

  it('that lacks its last block is named by the positions', async () => {
    await expect(read(archive(EVENTS.slice(0, 7)))).rejects.toThrow(
      `it ends at position 7, and should end at ${EVENTS.length}: it was cut off`,
    );
  });

  it.each([
    ['an end that is no position', { to: -1 }, 'last position'],
    ['schemas that are no list', { schemas: {} }, 'no list of schemas'],
    ['schemas that are no objects', { schemas: [null] }, 'no list of schemas'],
    ['a schema that is none', { schemas: [{ type: 'recold' }] }, 'a schema that is none'],
  ])('with %s in its header is refused', async (_, header, message) => {
    const bytes = new ArchiveWriter(codec, { log, to: 0, schemas: [], ...(header as object) }).header();
    await expect(read(bytes)).rejects.toThrow(ArchiveDamaged);
    await expect(read(bytes)).rejects.toThrow(message);
  });

  it('of a log that is named by no UUID is refused', async () => {
    const changed = archive().toString('latin1').replace(log, 'x'.repeat(log.length));
    await expect(read(Buffer.from(changed, 'latin1'))).rejects.toThrow('no UUID');
  });

  it('in which a byte of an event was changed is damaged', async () => {
    const header = archive([], 0).length;
    const bytes = archive();
    let noticed = 0;
    for (let at = header + 4; at < bytes.length; at += 97) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x10;
      const events = await read(changed).catch((error: unknown) => {
        expect(error, `at ${at}`).toBeInstanceOf(ArchiveDamaged);
        noticed++;
        return null;
      });
      // A change of what is there to be read by people, and nothing else, changes no event.
      if (events) expect(plain(events), `at ${at}`).toEqual(plain(EVENTS));
    }
    expect(noticed).toBeGreaterThan(10);
  });

  it.each([
    ['nothing', Buffer.alloc(0), 'cut off'],
    ['another file', Buffer.from('PK\u0003\u0004 and so on'), 'no Avro object container file'],
    ['a container of something else', Buffer.from('4f626a0100000102030405060708090a0b0c0d0e0f', 'hex'), 'nva.format'],
  ])('is not read from %s', async (_, bytes, why) => {
    await expect(read(bytes)).rejects.toThrow(why);
  });

  it('in which an event comes twice is damaged', async () => {
    const writer = new ArchiveWriter(codec, { log, to: 1, schemas: [] });
    await expect(
      read(Buffer.concat([writer.header(), writer.block(EVENTS.slice(0, 1)), writer.block(EVENTS.slice(0, 1))])),
    ).rejects.toThrow('position 1 comes after position 1');
  });
});
