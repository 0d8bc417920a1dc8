import { fieldIn, Refusal, numeral } from '@nva/identifiers';

/** An integer in a query, within bounds. Throws Refusal. */
export function integer(received: string, field: string, min: number, max: number): number {
  const value = numeral(received);
  if (typeof value !== 'number') throw new Refusal('wrong-type', `${field} is an integer`, { field, received });
  if (value < min || value > max) throw new Refusal('out-of-range', `${field} is ${min} to ${max}`, { field, received });
  return value;
}

/** Refuses query fields that this call does not have. */
export function only(query: Readonly<Record<string, string>>, ...fields: string[]): void {
  for (const [field, received] of Object.entries<unknown>(query)) {
    if (!fields.includes(field))
      throw new Refusal('unknown-field', `there is no query field ${fieldIn('', field)}`, { field: fieldIn('', field), received });
    if (typeof received !== 'string') throw new Refusal('wrong-type', `${field} is given once`, { field, received });
  }
}
