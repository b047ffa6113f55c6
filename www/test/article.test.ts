import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SECTIONS } from '../src/article/methods.js';

const folder = (name: string) => fileURLToPath(new URL(`../../tests/golden/${name}`, import.meta.url));

describe('the article', () => {
  it('names vectors that are there, for every method', () => {
    expect(Object.keys(SECTIONS).length).toBeGreaterThan(20);
    for (const [method, { golden }] of Object.entries(SECTIONS)) {
      expect(golden.length, method).toBeGreaterThan(0);
      for (const name of golden) expect(existsSync(folder(name)), `${method}: ${name}`).toBe(true);
    }
  });

  it('leaves nothing empty, and names commits as commits', () => {
    expect(Object.keys(SECTIONS).length).toBeGreaterThan(20);
    for (const [method, { keeps, reads, limits, code }] of Object.entries(SECTIONS)) {
      for (const text of [keeps, reads, limits]) expect(text, method).toMatch(/\w.*\.$/);
      if (code) expect(code.join('@'), method).toMatch(/^[\w.-]+\/[\w.-]+@[0-9a-f]{7}$/);
    }
  });
});
