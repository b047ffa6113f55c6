import { describe, expect, it, vi } from 'vitest';
import { hasSimd } from '../src/state/capabilities.js';
import { hiddenIn, PARTS, shows } from '../src/state/parts.js';

describe('the parts to hide', () => {
  it('come from the address, and what is no part is told', () => {
    expect(hiddenIn('?hide=prompt,article')).toEqual({ hidden: new Set(['prompt', 'article']), unknown: [] });
    expect(hiddenIn('?hide=maps,<b>').unknown).toEqual(['<b>']);
    expect(hiddenIn('').hidden.size).toBe(0);
    expect(PARTS.every(shows)).toBe(true);
  });
});

describe('SIMD', () => {
  it('is what WebAssembly says of a module with a vector', () => {
    expect(hasSimd()).toBe(true);
    vi.stubGlobal('WebAssembly', { validate: () => false });
    expect(hasSimd()).toBe(false);
    vi.stubGlobal('WebAssembly', undefined);
    expect(hasSimd()).toBe(false);
    vi.unstubAllGlobals();
  });
});
