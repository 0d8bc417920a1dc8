export const JSON_TYPE = 'application/json; charset=utf-8';
export const NDJSON_TYPE = 'application/x-ndjson';
/** With its line of names (RFC 4180). */
export const CSV_TYPE = 'text/csv; charset=utf-8; header=present';

/** How a list is answered: a page as JSON, or all of it in lines. */
export type ListForm = 'json' | 'ndjson' | 'csv';

const FORMS: ReadonlyMap<string, ListForm> = new Map([
  ['application/json', 'json'],
  ['application/*', 'json'],
  ['*/*', 'json'],
  ['application/x-ndjson', 'ndjson'],
  ['text/csv', 'csv'],
]);

/** The form that a caller wants most by `Accept` (RFC 9110, section 12.5.1); the first of several; JSON if it names none that there is. */
export function wantedForm(accept: string | undefined): ListForm {
  let wanted: ListForm = 'json';
  let most = 0;
  for (const range of (accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const form = FORMS.get(type);
    const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
    if (form && weight > most) [wanted, most] = [form, weight];
  }
  return wanted;
}
