/** The run on the page as a trace file, with what it takes to see it again as it is now. */
import { AttnscopeError } from 'attnscope';
import { version } from 'attnscope/package.json';
import { type TraceModel, writeTraceFile } from 'attnscope/trace';
import { keptSettings } from '../state/kept.js';
import type { Look, Recipe } from '../state/recipe.js';
import type { Track } from '../state/track.svelte.js';
import { t } from '../words/words.svelte.js';

export interface Kept {
  readonly model: TraceModel | null;
  readonly recipe: Recipe | null;
  readonly prompt: Uint32Array;
  readonly beginning: number;
  readonly tracks: readonly Track[];
  textOf(id: number): Promise<string>;
}

/**
 * Throws `trace` for a run so long that its first steps are sums by now, `closed` when another model took the place of the one
 * that knows the texts of its tokens, `unsupported` for several hosts and several rounds, and `state` where there is no run.
 */
export async function traceFile(run: Kept, look: Look): Promise<Uint8Array> {
  const { model, recipe, prompt, beginning, tracks } = run;
  if (!model || !recipe || tracks.length === 0) throw new AttnscopeError('state', t('There is no run to save yet.'));
  if (tracks.some(({ lanes }) => lanes.length > 0)) {
    throw new AttnscopeError('unsupported', t('A trace file has no place for several hosts.'));
  }
  if (tracks.some(({ turns }) => turns.length > 0)) {
    throw new AttnscopeError('unsupported', t('A trace file has no place for the further messages of a conversation.'));
  }
  const { name, layers, queryHeads, kvHeads, headDim } = model;
  // A prompt says most of its tokens many times.
  const ids = [...new Set(prompt)];
  const texts = new Map(await Promise.all(ids.map(async (id) => [id, await run.textOf(id)] as const)));
  return writeTraceFile({
    model: { name, layers, queryHeads, kvHeads, headDim },
    prompt: Array.from(prompt, (id) => ({ id, text: texts.get(id) ?? '' })),
    settings: await keptSettings(
      { recipe, look, ends: tracks.map(({ end }) => end), attnscope: version, ...(beginning > 0 && { beginning }) },
      tracks.map(({ history }) => history),
      (id) => run.textOf(id),
    ),
    tracks: tracks.map(({ method, params, said, kl, history }) => ({
      method: method.name,
      title: method.title,
      params,
      steps: said.map(({ id, text }, i) => ({ id, text, ...(kl[i] !== null && { kl: kl[i] }) })),
      // Together they took turns; alone nobody measured them.
      tokensPerSecond: null,
      history,
    })),
  });
}
