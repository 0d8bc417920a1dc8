import { describe, expect, it } from 'vitest';
import { currentSchemas, releasedSchemas } from '../tools/release.ts';
import { whyUnreadable } from './index.ts';

interface Schema {
  readonly name: string;
  readonly fields: readonly { readonly name: string; readonly doc?: string; readonly type: unknown }[];
}

const current = new Map(currentSchemas().map(({ schema }) => [(schema as Schema).name, schema as Schema]));

describe('a change of schema', () => {
  it('stays readable both ways for every version that was released', () => {
    const released = releasedSchemas();
    expect(released.length).toBeGreaterThan(0);
    for (const { file, schema } of released) {
      const today = current.get(schema.name);
      expect(today, `${file}: a released type may not disappear`).toBeDefined();
      expect(whyUnreadable(today, schema), `today's ${schema.name} cannot read ${file}`).toBeNull();
      expect(whyUnreadable(schema, today), `readers of ${file} cannot read today's ${schema.name}`).toBeNull();
    }
  });

  it('is refused when it adds a field without default, drops one that had none, or changes a type', () => {
    const today = current.get('VnMember')!;
    const added = { ...today, fields: [...today.fields, { name: 'rack', type: 'string' }] };
    const dropped = { ...today, fields: today.fields.filter((f) => f.name !== 'mac') };
    const changed = { ...today, fields: today.fields.map((f) => (f.name === 'mac' ? { ...f, type: 'long' } : f)) };
    expect(whyUnreadable(added, today)).toContain('rack');
    expect(whyUnreadable(today, dropped)).toContain('mac');
    expect(whyUnreadable(changed, today)).not.toBeNull();
    expect(whyUnreadable({ ...added, fields: [...today.fields, { name: 'rack', type: 'string', default: '' }] }, today)).toBeNull();
  });
});

describe('every schema', () => {
  it('tells of every field what it means', () => {
    const undocumented: string[] = [];
    const visit = (schema: unknown, path: string): void => {
      if (Array.isArray(schema)) schema.forEach((branch) => visit(branch, path));
      else if (typeof schema === 'object' && schema !== null) {
        const { fields, items, values } = schema as { fields?: Schema['fields']; items?: unknown; values?: unknown };
        for (const field of fields ?? []) {
          if (!field.doc?.endsWith('.')) undocumented.push(`${path}.${field.name}`);
          visit(field.type, `${path}.${field.name}`);
        }
        visit(items, path);
        if (!Array.isArray(values)) visit(values, path);
      }
    };
    for (const [name, schema] of current) visit(schema, name);
    expect(undocumented).toEqual([]);
  });
});
