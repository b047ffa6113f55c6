import { afterEach, describe, expect, it } from 'vitest';
import { Cell, plural, say, setWords, stateName, verdict } from '../src/view.js';

afterEach(() => setWords((text) => text));

describe('the words of the view', () => {
  it('are English, with values in their places', () => {
    expect(say('{n} of {m}, {n}', { n: 1, m: '{n}' })).toBe('1 of {n}, 1');
    expect(say('{toString} stays, and {other}', { n: 1 })).toBe('{toString} stays, and {other}');
    expect([plural(1, 'token'), plural(1200, 'guess', 'guesses')]).toEqual(['1 token', '1\u202f200 guesses']);
  });

  it('are asked for by the English text, and what is not known stays', () => {
    const known: Record<string, string> = { read: '읽음', '{n} tokens': '토큰 {n}개', 'Nothing has run yet.': '없음' };
    setWords((text) => known[text] ?? text);
    expect([stateName(Cell.read, 'reads'), stateName(Cell.stored, 'storage')]).toEqual(['읽음', 'stored']);
    expect([plural(2, 'token'), plural(1, 'token'), verdict(null)]).toEqual(['토큰 2개', '1 token', '없음']);
  });
});
