import { readFileSync } from 'node:fs';
import { readTraceFile, type StepSummary, writeTraceFile } from 'attnscope/trace';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { stepsCsv } from '../src/export/csv.js';
import { traceFile } from '../src/export/trace.js';
import { MAX_TOKENS } from '../src/state/limits.js';
import type { Recipe } from '../src/state/recipe.js';

// Tracks ask for a frame when they change, and there is no page here.
vi.stubGlobal('requestAnimationFrame', () => 0);
const { openRun } = await import('../src/state/opened.js');

const bytes = readFileSync(new URL('../src/recorded.attn', import.meta.url));

describe('the numbers of every step', () => {
  const totals = { kvBytes: 1, readBytes: 2, storedRows: 3, readRows: 4 };
  const step: Pick<StepSummary, 'length' | 'totals' | 'events'> = {
    length: 9,
    totals,
    events: [{ kind: 'evictRun', aux: 0, records: 2, rows: 5 }],
  };
  const track = (text: string) => ({
    method: { name: 'm' },
    said: [{ id: 7, text, agrees: null }],
    readShare: [0.5],
    kl: [text === 'a' ? 0.25 : null],
    histories: [{ steps: [step] }],
    totalsAt: () => totals,
    stepAt: (at: number) => at,
  });

  it('are a line for each step and method, with any text in it', () => {
    const lines = stepsCsv([track('a'), track('=1,"x"\n')]).split('\r\n');
    expect(lines).toHaveLength(4);
    expect(lines[1]).toBe('1,m,7,"""a""",,0.25,9,1,2,3,4,0.5,evictRun 5');
    expect(lines[2]).toBe('1,m,7,"""=1,\\""x\\""\\n""",,,9,1,2,3,4,0.5,evictRun 5');
  });
});

describe('a trace file', () => {
  const look = { mode: 'storage', step: 3, cell: { track: 1, layer: 2, head: 3, position: 4 } } as const;
  const textOf = async () => 'x';

  it('comes back as it was saved', async () => {
    const { model, prompt, tracks, recipe, span } = await openRun(new Blob([bytes]));
    tracks[1].kl[0] = 0.125;
    const ids = Uint32Array.from(prompt, ({ id }) => id);
    const kept = { model, recipe, tracks, beginning: 0, span: span + 7, prompt: ids, textOf };
    const again = await openRun(new Blob([(await traceFile(kept, look)) as BlobPart]));
    expect(again).toMatchObject({ model, recipe, look, beginning: 0, span: span + 7 });
    for (const [i, { method, params, said, kl, kvBytes, readShare, end }] of tracks.entries()) {
      expect(again.tracks[i]).toMatchObject({ method, params, said, kl, kvBytes, readShare, end });
    }
  });

  it('compares nothing that the answers had to begin with', async () => {
    const { model, prompt, tracks, recipe, span } = await openRun(new Blob([bytes]));
    const kept = {
      model,
      recipe,
      tracks,
      beginning: 2,
      span,
      prompt: Uint32Array.from(prompt, ({ id }) => id),
      textOf,
    };
    const again = await openRun(new Blob([(await traceFile(kept, look)) as BlobPart]));
    expect(again.beginning).toBe(2);
    const agrees = (of: (typeof tracks)[number]) => of.said.map(({ agrees }) => agrees);
    expect(agrees(again.tracks[1])).toEqual([null, null, ...agrees(tracks[1]).slice(2)]);
    expect(again.tracks[1].agreement.slice(0, 2)).toEqual([null, null]);
  });

  it('is refused where there is no run', async () => {
    const none = { model: null, recipe: null, tracks: [], beginning: 0, span: 0, prompt: new Uint32Array(), textOf };
    await expect(traceFile(none, look)).rejects.toMatchObject({ code: 'state' });
  });

  it('opens whatever its settings say, with values that can be used', async () => {
    const run = await readTraceFile(bytes);
    const settings = fc.record({
      page: fc.constant(1),
      recipe: fc.oneof(
        fc.jsonValue(),
        fc.dictionary(fc.constantFrom('preset', 'text', 'budget', 'seed'), fc.jsonValue()),
      ),
      look: fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom('mode', 'step', 'cell'), fc.jsonValue())),
      ends: fc.jsonValue(),
      span: fc.jsonValue(),
    });
    await fc.assert(
      fc.asyncProperty(settings, async (settings) => {
        const file = await writeTraceFile({ ...run, tracks: run.tracks.slice(0, 1), settings });
        const { recipe, look, span, step } = await openRun(new Blob([file as BlobPart]));
        const room = span - run.prompt.length - step;
        expect(Number.isInteger(room) && room >= 0 && room <= MAX_TOKENS).toBe(true);
        const kinds: Record<Exclude<keyof Recipe, 'text'>, string> = {
          preset: 'string',
          chat: 'boolean',
          budget: 'number',
          maxTokens: 'number',
          sameTokens: 'boolean',
          temperature: 'number',
          seed: 'number',
          memory: 'string',
          shadow: 'number',
          guard: 'boolean',
          limits: 'object',
          hosts: 'number',
        };
        for (const [name, kind] of Object.entries(kinds)) expect(typeof recipe[name as keyof Recipe]).toBe(kind);
        expect(recipe.text === null || typeof recipe.text === 'string').toBe(true);
        expect(['reads', 'storage', 'difference']).toContain(look.mode);
        expect(look.step === null || Number.isInteger(look.step)).toBe(true);
      }),
      { seed: 48213, numRuns: 30 },
    );
  });
});
