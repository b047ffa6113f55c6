/** The run on the page as a trace file, with what it takes to see it again as it is now. */
import { AttnscopeError } from 'attnscope';
import { version } from 'attnscope/package.json';
import { type TraceModel, writeTraceFile } from 'attnscope/trace';
import type { Look, Recipe } from '../state/recipe.js';
import { SETTINGS_VERSION } from '../state/recipe.js';
import type { Track } from '../state/track.svelte.js';

export interface Kept {
  readonly model: TraceModel | null;
  readonly recipe: Recipe | null;
  readonly prompt: Uint32Array;
  readonly tracks: readonly Track[];
  textOf(id: number): Promise<string>;
}

/**
 * Throws `trace` for a run so long that its first steps are sums by now, `closed` when another model took the place of the one
 * that knows the texts of its tokens, `unsupported` for several hosts and several rounds, and `state` where there is no run.
 */
export async function traceFile(run: Kept, look: Look): Promise<Uint8Array> {
  const { model, recipe, prompt, tracks } = run;
  if (!model || !recipe || tracks.length === 0) throw new AttnscopeError('state', 'There is no run to save yet.');
  if (tracks.some(({ lanes }) => lanes.length > 0)) {
    throw new AttnscopeError('unsupported', 'A trace file has no place for several hosts.');
  }
  if (tracks.some(({ turns }) => turns.length > 0)) {
    throw new AttnscopeError('unsupported', 'A trace file has no place for the further messages of a conversation.');
  }
  const { name, layers, queryHeads, kvHeads, headDim } = model;
  const texts = await Promise.all(Array.from(prompt, (id) => run.textOf(id)));
  // Of guesses that did not hold nobody else would know the words.
  const guessed = new Set(
    tracks.flatMap(({ history }) => history.steps.flatMap(({ facts }) => facts.guesses)).map(({ id }) => id),
  );
  const guesses = await Promise.all(Array.from(guessed, async (id) => ({ id, text: await run.textOf(id) })));
  return writeTraceFile({
    model: { name, layers, queryHeads, kvHeads, headDim },
    prompt: texts.map((text, i) => ({ id: prompt[i], text })),
    settings: { page: SETTINGS_VERSION, recipe, look, guesses, ends: tracks.map(({ end }) => end), attnscope: version },
    tracks: tracks.map(({ method, params, said, history }) => ({
      method: method.name,
      title: method.title,
      params,
      steps: said.map(({ id, text }) => ({ id, text })),
      // Together they took turns; alone nobody measured them.
      tokensPerSecond: null,
      history,
    })),
  });
}
