/**
 * Records today's schemas as released, one file each in schemas/released/. Run once per release (`npm run schemas:release`): from then on a
 * test holds every later change against them. Files there are never edited or removed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCommandCodec, createEventCodec, createRecordCodec, type WriterSchema } from '../src/index.ts';

export const releasedFolder = join(import.meta.dirname, '../../../schemas/released');

export function currentSchemas(): readonly WriterSchema[] {
  return [...createEventCodec().schemas, ...createRecordCodec().schemas, ...createCommandCodec().schemas];
}

export function releasedSchemas(): { readonly file: string; readonly schema: { readonly name: string } }[] {
  return readdirSync(releasedFolder).map((file) => ({
    file,
    schema: JSON.parse(readFileSync(join(releasedFolder, file), 'utf8')) as { name: string },
  }));
}

if (process.argv[1] === import.meta.filename) {
  mkdirSync(releasedFolder, { recursive: true });
  for (const { fingerprint, schema } of currentSchemas()) {
    const path = join(releasedFolder, `${(schema as { name: string }).name}.${fingerprint}.avsc`);
    if (!existsSync(path)) writeFileSync(path, `${JSON.stringify(schema, null, 2)}\n`);
  }
}
