import type { MethodInfo, ParamInfo } from 'attnscope';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitsLink, MAX_LINK_TEXT, readLink, type Shared, writeLink } from '../src/share/link.js';
import { BUDGET, MAX_TOKENS } from '../src/state/limits.js';
import { complaints, defaults, withBudget } from '../src/state/params.js';
import { PRESETS } from '../src/state/presets.js';

const param = (name: string, kind: ParamInfo['kind'], of: Partial<ParamInfo> = {}): ParamInfo => ({
  ...{ name, kind, unit: '', help: '', budget: false, allowed: '', default: 0 },
  ...of,
});
const method = (name: string, ...params: ParamInfo[]): MethodInfo => ({
  ...{ name, title: name, summary: '', paper: null, roles: [], whole: false, spreads: false, params },
});
const REGISTRY = [
  method('full'),
  method(
    'h2o',
    param('heavy', 'int', { budget: true, default: 128, min: 1, max: 1 << 20 }),
    param('recent', 'int', { budget: true, default: 128, min: 0, max: 1 << 20 }),
    param('group', 'choice', { default: 'sum', choices: ['sum', 'max'] }),
    param('only', 'bool', { default: false }),
  ),
  method('tidal', param('layers', 'list', { default: [] }), param('share', 'float', { default: 0.5, min: 0, max: 1 })),
];

const text = fc.string({ maxLength: MAX_LINK_TEXT, unit: 'binary' });
const recipe = fc
  .record({
    preset: fc.constantFrom('own', ...PRESETS.map(({ id }) => id)),
    text,
    chat: fc.boolean(),
    budget: fc.integer(BUDGET),
    maxTokens: fc.integer({ min: 1, max: MAX_TOKENS }),
    sameTokens: fc.boolean(),
    temperature: fc.constantFrom(0, 0.25, 1.5),
    seed: fc.nat(),
    memory: fc.constantFrom('', '1MB', '64MB', '4096MB'),
    shadow: fc.integer({ min: 0, max: 64 }),
    guard: fc.boolean(),
    limits: fc.record({ recall: fc.constantFrom(0, 0.5), noise: fc.nat(60) }, { requiredKeys: [] }),
    hosts: fc.integer({ min: 1, max: 3 }),
  })
  .map((made) => ({ ...made, text: PRESETS.find(({ id }) => id === made.preset)?.text ?? made.text }));
const given = fc.record(
  {
    full: fc.constant({}),
    h2o: fc.record({
      ...{ heavy: fc.integer({ min: 1, max: 4096 }), recent: fc.nat(4096) },
      ...{ group: fc.constantFrom('sum', 'max'), only: fc.boolean() },
    }),
    tidal: fc.record({
      layers: fc.uniqueArray(fc.nat(29)).map((layers) => layers.sort((a, b) => a - b)),
      share: fc.constantFrom(0, 0.25, 1),
    }),
  },
  { requiredKeys: ['full'] },
);
const look = (tracks: number) =>
  fc.record({
    mode: fc.constantFrom('reads', 'storage', 'difference'),
    step: fc.option(fc.nat(2047)),
    cell: fc.option(
      fc.record({ track: fc.nat(tracks - 1), layer: fc.nat(254), head: fc.nat(253), position: fc.nat(8191) }),
    ),
  });
const shared = fc
  .tuple(recipe, given)
  .chain(([recipe, params]) => look(Object.keys(params).length).map((look) => ({ recipe, params, look }) as Shared));

describe('a link', () => {
  it('brings back what it was made of', () => {
    fc.assert(
      fc.property(shared, (made) => {
        const { value, notes } = readLink(`#${writeLink(made, REGISTRY)}`, REGISTRY);
        expect(notes).toEqual([]);
        expect(value).toEqual(made);
      }),
      { seed: 48213, numRuns: 300 },
    );
  });

  it('types hostile values away, and never fails', () => {
    const keys = [
      'v',
      'p',
      't',
      'm',
      'b',
      'n',
      'chat',
      'same',
      'temperature',
      'seed',
      'mode',
      'step',
      'cell',
      'memory',
      'shadow',
      'guard',
      'hosts',
      'limit.recall',
    ];
    const names = ['h2o.heavy', 'h2o.group', 'h2o.only', 'h2o.__proto__', 'tidal.layers', 'tidal.share', '__proto__.x'];
    const value = fc.oneof(
      fc.string(),
      fc.double().map(String),
      fc.constantFrom('-1', '1e999', '9'.repeat(400), 'NaN', 'full,h2o,tidal', 'h2o.-1.2.3', '__proto__', '[]', '%'),
    );
    const pairs = fc.array(fc.tuple(fc.constantFrom(...keys, ...names), value));
    const hash = fc.oneof(
      fc.string({ unit: 'binary' }),
      pairs.map((all) => `#v=1&m=full,h2o,tidal&${new URLSearchParams(all)}`),
    );
    fc.assert(
      fc.property(hash, (hash) => {
        const { value, notes } = readLink(hash, REGISTRY);
        expect(notes.every((note) => typeof note === 'string' && note.length < 200)).toBe(true);
        if (!value) return;
        const { recipe, params, look } = value;
        expect(recipe.budget).toSatisfy((n: number) => Number.isInteger(n) && n >= BUDGET.min && n <= BUDGET.max);
        expect(recipe.maxTokens).toSatisfy((n: number) => Number.isInteger(n) && n >= 1 && n <= MAX_TOKENS);
        expect(recipe.seed).toSatisfy((n: number) => Number.isInteger(n) && n >= 0);
        expect(recipe.temperature).toSatisfy((n: number) => n >= 0 && n <= 2);
        expect(recipe.memory).toMatch(/^(\d{1,4}MB)?$/);
        expect(recipe.hosts).toSatisfy((n: number) => Number.isInteger(n) && n >= 1 && n <= 3);
        expect(recipe.shadow).toSatisfy((n: number) => Number.isInteger(n) && n >= 0 && n <= 64);
        expect(Object.values(recipe.limits).every((n) => Number.isFinite(n) && n >= 0)).toBe(true);
        expect([typeof recipe.chat, typeof recipe.sameTokens]).toEqual(['boolean', 'boolean']);
        expect(['reads', 'storage', 'difference']).toContain(look.mode);
        for (const [name, values] of Object.entries(params)) {
          const method = REGISTRY.find((known) => known.name === name);
          if (!method) throw new Error(`${name} is no method`);
          expect(Object.keys(values)).toEqual(method.params.map(({ name }) => name));
          expect(complaints(method, values)).toEqual({});
        }
        const places = look.cell ? Object.values(look.cell) : [];
        expect([look.step ?? 0, ...places].every((n) => Number.isInteger(n) && n >= 0)).toBe(true);
        expect(({} as Record<string, unknown>).x).toBeUndefined();
      }),
      { seed: 48213, numRuns: 1000 },
    );
  });

  it('says what was out of range, unknown, or left out', () => {
    const read = (hash: string) => readLink(`#v=1&m=h2o&${hash}`, REGISTRY);
    expect(read('b=99999').notes[0]).toBe('The budget was out of range; 2048 is used.');
    expect(read('n=x').notes[0]).toMatch(/number of tokens is no number/);
    expect(read('p=question&h2o.heavy=-5').notes).toEqual(['h2o: heavy was out of range; 1 is used.']);
    expect(readLink('#v=1&p=question&m=h2o,gone', REGISTRY).notes[0]).toMatch(/names methods that are not here/);
    expect(read('p=own').notes[0]).toMatch(/text of the prompt was too long/);
    expect(readLink('#v=2&p=question', REGISTRY).value).toBeNull();
    expect(readLink('#v=2&p=question', REGISTRY).notes[0]).toMatch(/another version/);
    expect(readLink('#somewhere', REGISTRY)).toEqual({ value: null, notes: [] });
  });

  it('leaves out a text that is too long', () => {
    const long = 'x'.repeat(MAX_LINK_TEXT + 1);
    expect(fitsLink(long)).toBe(false);
    const [h2o] = REGISTRY.slice(1);
    const made = {
      preset: 'own',
      text: long,
      chat: false,
      budget: 64,
      maxTokens: 9,
      sameTokens: true,
      temperature: 0,
      seed: 0,
      ...{ memory: '', shadow: 0, guard: false, limits: {}, hosts: 1 },
    };
    const params = { h2o: withBudget(h2o, defaults(h2o), 64) };
    const link = writeLink({ recipe: made, params, look: { mode: 'reads', step: null, cell: null } }, REGISTRY);
    expect(link).toBe('v=1&p=own&m=h2o&b=64&n=9&chat=0&same=1&mode=reads');
  });
});
