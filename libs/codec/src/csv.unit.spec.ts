import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CSV_LISTS, csvHeader, csvLine, csvRow } from './csv.ts';

/** A plain reader of RFC 4180, by its grammar. */
function read(text: string): string[][] {
  const rows: string[][] = [];
  for (let at = 0; at < text.length;) {
    const row: string[] = [];
    for (;;) {
      if (text[at] === '"') {
        let field = '';
        for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
          field += text[at];
          if (text[at] === '"') at++;
        }
        at++;
        row.push(field);
      } else {
        const end = text.slice(at).search(/,|\r\n/);
        row.push(text.slice(at, at + end));
        at += end;
      }
      if (text[at] !== ',') break;
      at++;
    }
    expect(text.slice(at, at + 2)).toBe('\r\n');
    at += 2;
    rows.push(row);
  }
  return rows;
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('=', '+', '-', '@', "'", '"', ',', '\r', '\n', '\t', ' ', 'a', '＝') }),
);

describe('a line of CSV', () => {
  it('is read again as what was written, but for an apostrophe, which every text has that a spreadsheet would take for a formula', () => {
    fc.assert(
      fc.property(fc.array(fc.array(anyText, { minLength: 1, maxLength: 4 }), { maxLength: 4 }), (rows) => {
        const again = read(rows.map(csvLine).join(''));
        expect(again.map((row) => row.map((field) => field.replace(/^'/, '')))).toEqual(rows);
        for (const field of again.flat()) expect(field).not.toMatch(/^[=+\-@\t\r\n]/);
      }),
    );
  });

  it('has numbers as they are, nothing for null, lists with blanks, and JSON for the rest', () => {
    expect(csvLine([-1, true, null, undefined, ['a', 'b'], [1, 2], [], { a: 1 }])).toBe('-1,true,,,a b,1 2,,"{""a"":1}"\r\n');
    expect(csvLine(['=1+1', '@x', 'a,b', 'say "x"', ' a'])).toBe('\'=1+1,\'@x,"a,b","say ""x"""," a"\r\n');
  });

  it('of a list has a header of the names of its fields', () => {
    const mapping = {
      tsId: 'ts1',
      bid: null,
      mac: '02:00:00:00:00:01',
      ip: '192.0.2.1',
      vlan: null,
      mobility: 0,
      via: null,
      position: '7',
      attachments: [
        { nveId: 'nve1', state: 'activated' },
        { nveId: 'nve2', state: 'associated' },
      ],
    };
    expect(csvHeader(CSV_LISTS.table) + csvRow(CSV_LISTS.table, { vnid: 1, ...mapping })).toBe(
      'vnid,tsId,vlan,ip,mac,attachments,bid,mobility,via,position\r\n1,ts1,,192.0.2.1,02:00:00:00:00:01,nve1:activated nve2:associated,,0,,7\r\n',
    );
    const ts = {
      tsId: 'ts1',
      bindings: [
        { vnid: 1, vlan: 7, ip: '::1', bid: 2 },
        { vnid: 2, vlan: null, ip: null, bid: null },
      ],
      conflicts: [{ vnid: 1, address: '::1', heldBy: 'ts2' }],
    };
    expect(csvRow(CSV_LISTS.tenantSystems, ts)).toBe('ts1,,,,,1/vlan-7/::1#2 2/untagged,,1/::1=ts2,,,,,,\r\n');
  });
});
