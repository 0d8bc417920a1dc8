import avro from 'avsc';
import { fingerprintOf, type Fingerprint } from './fingerprint.ts';

/**
 * Why a reader with one schema could not read what was written with another; null if it can (Avro specification, «Schema
 * Resolution»). A schema change is checked in both directions: today's readers must understand old logs and feeds, and consumers
 * of the previous version must understand what is written from today on.
 */
export function whyUnreadable(reader: unknown, writer: unknown): string | null {
  try {
    parse(reader).createResolver(parse(writer));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const parse = (schema: unknown): avro.Type => avro.Type.forSchema(structuredClone(schema) as avro.Schema);

/** The fingerprint of any schema, known here or not. Throws the error of avsc for an invalid schema. */
export const schemaFingerprint = (schema: unknown): Fingerprint => fingerprintOf(JSON.stringify(parse(schema).schema()));
