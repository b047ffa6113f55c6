/** The run that is bundled with the page: `cargo xtask record` makes it anew. */
import { readFileSync } from 'node:fs';
import { readTraceFile } from 'attnscope/trace';
import { summarise } from 'attnscope/view';
import { describe, expect, it } from 'vitest';
import { PRESETS, TUNED_FOR } from '../src/state/presets.js';
import { readRecipe } from '../src/state/recipe.js';

const MOST = 300_000;
const bytes = readFileSync(new URL('../src/recorded.attn', import.meta.url));

describe('the bundled run', () => {
  it('is read by the trace reader of today, and is small', async () => {
    expect(bytes.length).toBeLessThanOrEqual(MOST);
    const { tracks, prompt } = await readTraceFile(bytes);
    expect(tracks.length).toBeGreaterThan(1);
    for (const { steps, history } of tracks) {
      expect(history.steps).toHaveLength(steps.length);
      for (let step = 0; step < steps.length; step++) {
        const view = await history.seek(step);
        expect(view.length).toBeGreaterThanOrEqual(prompt.length + step);
        // What the engine counted is what the sets say.
        const { layers, queryHeads } = view.shape;
        expect(summarise(view)?.readRows).toBeCloseTo(view.totals.readRows / (layers * queryHeads), 6);
      }
    }
  });

  it('was made with the settings that the page has today', async () => {
    const { model, settings, tracks } = await readTraceFile(bytes);
    expect(model.name).toBe(TUNED_FOR.name);
    expect(settings).toMatchObject({ attnscope: expect.any(String), file: expect.any(String) });
    const { value, notes } = readRecipe(settings.recipe);
    expect(notes).toEqual([]);
    const preset = PRESETS.find(({ id }) => id === value.preset);
    expect(settings.recipe).toMatchObject({ text: preset?.text, chat: preset?.chat, maxTokens: preset?.maxTokens });
    expect(tracks.some(({ method }) => preset?.tuned?.[method])).toBe(true);
    for (const { method, params } of tracks) expect(params).toMatchObject(preset?.tuned?.[method] ?? {});
  });
});
