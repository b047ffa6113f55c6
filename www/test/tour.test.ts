import { describe, expect, it } from 'vitest';
import { besides, STEPS } from '../src/tour/steps.js';

describe('the tour', () => {
  it('says something short at every place', () => {
    expect(new Set(STEPS.map(({ name }) => name)).size).toBe(STEPS.length);
    for (const { name, title, text } of STEPS) {
      expect(title().length, name).toBeLessThan(30);
      expect(text().length, name).toBeLessThan(170);
    }
  });

  it('stands below what it points at, above it, or over its end, and never beyond the window', () => {
    const cases: [string, top: number, bottom: number, at: number][] = [
      ['there is room below', 100, 300, 312],
      ['there is room above alone', 500, 780, 388],
      ['it fills the window', 10, 790, 688],
      ['it is larger than the window', -500, 2000, 688],
      ['it is just below the window', 810, 900, 698],
    ];
    for (const [why, top, bottom, at] of cases) expect(besides({ top, bottom }, 100, 800), why).toBe(at);
  });
});
