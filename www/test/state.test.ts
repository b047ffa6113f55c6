import { AttnscopeError, type MethodInfo, type ParamInfo } from 'attnscope';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headOf, rowOf } from '../src/state/hover.svelte.js';
import {
  budgetOf,
  check,
  complaints,
  defaults,
  difference,
  parse,
  refused,
  show,
  withBudget,
} from '../src/state/params.js';
import { PRESETS, TUNED_FOR } from '../src/state/presets.js';
import { problem } from '../src/state/problems.js';
import { settings } from '../src/state/settings.svelte.js';

const int = (name: string, value: number, budget: boolean, max = 1 << 20): ParamInfo => ({
  name,
  unit: 'tokens',
  help: '',
  budget,
  kind: 'int',
  allowed: `a whole number from 1 to ${max}`,
  default: value,
  min: 1,
  max,
});
const method = (...params: ParamInfo[]): MethodInfo => ({
  name: 'm',
  title: 'M',
  summary: '',
  paper: '2306.14048',
  roles: ['retain'],
  whole: false,
  spreads: false,
  params,
});

describe('budgets', () => {
  it('keep the proportions of the defaults, add up, and leave other values alone', () => {
    const sinks = method(int('sinks', 4, true), int('recent', 252, true), int('layer', 3, false));
    expect(withBudget(sinks, defaults(sinks), 128)).toEqual({ sinks: 2, recent: 126, layer: 3 });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 4096 }), fc.integer({ min: 1, max: 500 }), (budget, first) => {
        const two = method(int('a', first, true), int('b', 128, true));
        const values = withBudget(two, defaults(two), budget);
        expect(Object.values(complaints(two, values))).toEqual([]);
        expect(Math.abs((budgetOf(two, values) ?? 0) - budget)).toBeLessThanOrEqual(1);
      }),
      { seed: 48213 },
    );
  });

  it('stay in range and are absent where there are none', () => {
    const small = method(int('a', 10, true, 64));
    expect(withBudget(small, defaults(small), 1000)).toEqual({ a: 64 });
    expect(budgetOf(method(int('layer', 3, false)), { layer: 3 })).toBeNull();
  });

  it('are those of the variant alone', () => {
    const variant: ParamInfo = {
      ...int('variant', 0, false),
      kind: 'choice',
      default: 'paper',
      choices: ['paper', 'sketch'],
    };
    const [group, size] = [int('group', 64, true), int('size', 4096, true)];
    const two = method({ ...group, variant: 'paper' }, variant, { ...size, variant: 'sketch' });
    const paper = withBudget(two, defaults(two), 128);
    expect(paper).toEqual({ group: 128, variant: 'paper', size: 4096 });
    expect(budgetOf(two, paper)).toBe(128);
    expect(withBudget(two, { ...paper, variant: 'sketch' }, 256)).toEqual({ group: 128, variant: 'sketch', size: 256 });
  });
});

describe('values', () => {
  const list: ParamInfo = {
    ...int('layers', 0, false, 29),
    kind: 'list',
    allowed: 'ascending layers',
    default: [],
    min: 0,
  };
  it('are checked with words that say what is allowed', () => {
    expect(check(int('a', 4, true, 9), 12)).toBe('Allowed: a whole number from 1 to 9.');
    expect(check(int('a', 4, true), 1.5)).toMatch(/whole number/);
    expect(check(int('a', 4, true), parse(int('a', 4, true), ' '))).toMatch(/whole number/);
    expect(check(list, parse(list, '2, 13'))).toBeNull();
    expect(check(list, parse(list, '2, x'))).toBe('Allowed: ascending layers.');
    expect(check(list, [13, 2])).toBe('Allowed: ascending layers.');
    expect(refused('h2o.heavy = -1 is out of range; allowed: x')).toBe('h2o.heavy');
  });

  it('come back from text', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(29)), (layers) => {
        expect(parse(list, show(layers))).toEqual(layers);
      }),
      { seed: 48213 },
    );
  });
});

describe('presets', () => {
  it('hide the number once as a statement, and ask for it last', () => {
    for (const { text } of PRESETS.filter((p) => p.id.startsWith('needle'))) {
      expect(text.match(/48213/g)).toHaveLength(2);
      expect(text.endsWith('Answer: The pass key is number')).toBe(true);
    }
  });
});

describe('values that come with a preset', () => {
  const h2o = { ...method(int('heavy', 128, true), int('recent', 128, true)), name: 'h2o' };
  const other = { ...method(int('budget', 256, true)), name: 'fifo' };
  const registry = [h2o, other];
  const { tuned } = PRESETS.find((p) => p.id === 'needle-600') ?? {};

  it('come and go with it, and leave what the visitor set alone', () => {
    settings.adopt(registry);
    settings.usePreset(registry, 'needle-600');
    expect(settings.all.params.h2o).toEqual(tuned?.h2o);
    expect(settings.all.params.fifo).toEqual({ budget: settings.all.budget });
    expect(settings.isTuned(h2o)).toBe(true);
    expect(settings.isTuned(other)).toBe(false);
    settings.usePreset(registry, 'question');
    expect(settings.all.params.h2o).toEqual(settings.fresh(h2o));
    settings.usePreset(registry, 'needle-600');
    settings.setParam('h2o', 'recent', 7);
    expect(difference(h2o, settings.all.params.h2o, tuned?.h2o ?? {})).toBe('recent 7');
    settings.usePreset(registry, 'story');
    expect(settings.all.params.h2o).toEqual({ ...settings.fresh(h2o), recent: 7 });
  });

  it('give way to the defaults, with the budget of the slider, and come back', () => {
    settings.usePreset(registry, 'needle-600');
    settings.setBudget(registry, 100);
    settings.resetParams(h2o);
    expect(settings.all.params.h2o).toEqual({ heavy: 50, recent: 50 });
    settings.tune(h2o);
    expect(settings.all.params.h2o).toEqual(tuned?.h2o);
  });

  it('are taken back when another model is loaded', () => {
    settings.usePreset(registry, 'needle-600');
    settings.suit(registry, TUNED_FOR.name);
    expect(settings.isTuned(h2o)).toBe(true);
    settings.suit(registry, 'another');
    expect(settings.all.params.h2o).toEqual(settings.fresh(h2o));
    expect(settings.tuned(h2o)).toBeNull();
  });
});

describe('the preset with pictures', () => {
  const full = { ...method(), name: 'full' };
  const look = { ...method(int('important', 128, true), int('recent', 128, true)), name: 'look_m' };
  const registry = [full, { ...method(int('budget', 256, true)), name: 'fifo' }, look];

  it('brings methods and a budget that its window stays out of, and gives both back', () => {
    settings.all.methods = ['fifo'];
    settings.usePreset(registry, 'question');
    settings.setBudget(registry, 100);
    settings.usePreset(registry, 'pictures');
    expect(settings.all).toMatchObject({ methods: ['full', 'look_m'], budget: 85 });
    expect(settings.all.params.look_m).toEqual({ important: 77, recent: 8 });
    settings.setBudget(registry, 50);
    expect(settings.all.params.look_m).toEqual({ important: 42, recent: 8 });
    expect(settings.all.params.fifo).toEqual({ budget: 50 });
    settings.usePreset(registry, 'own');
    expect(settings.all).toMatchObject({ methods: ['fifo'], budget: 100, preset: 'own' });
    expect(settings.all.params.look_m).toEqual({ important: 50, recent: 50 });
  });

  it('leaves methods that were chosen meanwhile', () => {
    settings.usePreset(registry, 'pictures');
    settings.toggle('fifo');
    settings.usePreset(registry, 'story');
    expect(settings.all.methods).toEqual(['full', 'look_m', 'fifo']);
    expect(settings.all.budget).toBe(100);
  });
});

describe('heads', () => {
  it('map to rows and back', () => {
    const shape = { layers: 1, queryHeads: 9, kvHeads: 3 };
    for (let head = 0; head < 9; head++) {
      expect(rowOf(head, shape, 'reads')).toBe(head);
      const kv = rowOf(head, shape, 'storage');
      expect(kv).toBe(Math.floor(head / 3));
      expect(rowOf(headOf(kv, shape, 'storage'), shape, 'storage')).toBe(kv);
    }
  });
});

describe('problems', () => {
  it('say what happened and what to do', () => {
    const error = new AttnscopeError('truncated', 'The file ended early.');
    expect(problem(error)).toMatchObject({
      title: 'That model file is incomplete',
      detail: expect.stringMatching(/^The file ended early. Download/),
    });
    expect(problem(new Error('x')).code).toBe('engine');
  });
});
