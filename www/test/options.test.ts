import type { MethodInfo } from 'attnscope';
import { describe, expect, it } from 'vitest';
import { turnIds } from '../src/state/chat.js';
import { type Conditions, sessionOptions } from '../src/state/options.js';

const PLAIN: Conditions = { backend: 'cpu', memory: '', shadow: 0, guard: false, limits: {}, temperature: 0, seed: 0 };
const param = (name: string, budget: boolean) => ({
  ...{ name, budget, kind: 'int' as const, default: 1, unit: '', help: '', allowed: '' },
});
const METHOD: MethodInfo = {
  ...{ name: 'm', title: 'M', summary: '', paper: null, roles: ['retain' as const], whole: false },
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

describe('a further message', () => {
  // A template that ends an answer with 9, and a tokenizer of one id a character.
  const model = {
    chat: async (messages: readonly { role: string; content: string }[]) =>
      `${messages.map(({ role, content }) => `${role[0]}:${content}9`).join('')}a:`,
    encode: async (text: string) => Uint32Array.from(text, (letter) => letter.codePointAt(0) ?? 0),
  };
  const letters = async (last: string) => {
    const ids = await turnIds(model, 'hi', last.codePointAt(0) ?? 0);
    return String.fromCodePoint(...ids);
  };

  it('begins with the end of the answer, unless the answer has it', async () => {
    expect(await letters('x')).toBe('9u:hi9a:');
    expect(await letters('9')).toBe('u:hi9a:');
  });
});
