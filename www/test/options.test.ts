import type { MethodInfo } from 'attnscope';
import { describe, expect, it } from 'vitest';
import { type Conditions, sessionOptions } from '../src/state/options.js';
import { given, ranWith } from '../src/state/params.js';
import { settings } from '../src/state/settings.svelte.js';

const PLAIN: Conditions = { backend: 'cpu', memory: '', shadow: 0, guard: false, limits: {}, temperature: 0, seed: 0 };
const param = (name: string, budget: boolean) => ({
  ...{ name, budget, kind: 'int' as const, default: 1, unit: '', help: '', allowed: '' },
});
const METHOD: MethodInfo = {
  ...{ name: 'm', title: 'M', summary: '', paper: null, roles: ['retain' as const], whole: false, spreads: false },
  params: [param('heavy', true), param('layer', false)],
};
const VALUES = { heavy: 32, layer: 2 };

describe('options of a session', () => {
  it('are the method and its values, and nothing else unless it is asked for', () => {
    expect(sessionOptions(METHOD, null, VALUES, PLAIN, 100)).toEqual({ method: 'm', params: VALUES, backend: 'cpu' });
  });

  it('leave budgets out where a memory decides them', () => {
    expect(sessionOptions(METHOD, null, VALUES, { ...PLAIN, memory: '64MB' }, 100)).toEqual({
      ...{ method: 'm', params: { layer: 2 }, backend: 'cpu' },
      ...{ memory: '64MB', context: 100 },
    });
  });

  it('have the monitors, with limits where they are not the usual ones', () => {
    const watched = { ...PLAIN, shadow: 4, guard: true };
    expect(sessionOptions(METHOD, null, VALUES, watched, 9)).toMatchObject({ shadow: 4, guard: true });
    expect(sessionOptions(METHOD, null, VALUES, { ...watched, limits: { recall: 0.5 } }, 9).guard).toEqual({
      recall: 0.5,
    });
  });

  it('name several methods by their roles', () => {
    const spec = { prefill: 'a', select: 'b' };
    expect(sessionOptions(METHOD, spec, {}, PLAIN, 9)).toEqual({ method: spec, backend: 'cpu' });
  });
});

describe('the values of a run', () => {
  const described = { params: METHOD.params.map((param) => ({ ...param, default: 7 })) };

  it('are given only where they are not the registry’s, for the model may have its own', () => {
    expect(given(described, { heavy: 7, layer: 2 })).toEqual({ layer: 2 });
  });

  it('are those that the engine says it runs with', () => {
    expect(ranWith(described, { method: 'm' })).toEqual({ heavy: 7, layer: 7 });
    expect(ranWith(described, { method: { name: 'm', params: { layer: 14 } } })).toEqual({ heavy: 7, layer: 14 });
    const roles = { prefill: 'a', select: { name: 'b', params: { budget: 64 } } };
    expect(ranWith({ params: [] }, { method: roles })).toEqual({ 'select.budget': 64 });
  });
});

describe('a number that is typed', () => {
  it('is kept as near as its range allows', () => {
    expect(settings.set('seed', -3)).toBe(0);
    expect(settings.set('shadow', 99.6)).toBe(64);
    expect(settings.set('memory', Number.NaN)).toBe(64);
    expect(settings.all).toMatchObject({ seed: 0, shadow: 64, memory: '64MB' });
  });
});
