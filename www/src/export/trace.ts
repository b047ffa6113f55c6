/** The run on the page as a trace file, with what it takes to see it again as it is now. */
import { AttnscopeError } from 'attnscope';
import { version } from 'attnscope/package.json';
import { type TraceModel, type TraceTrack, writeTraceFile } from 'attnscope/trace';
import { keptSettings } from '../state/kept.js';
import type { Look, Recipe } from '../state/recipe.js';
import type { Track } from '../state/track.svelte.js';
import { t } from '../words/words.svelte.js';

export interface Kept {
  readonly model: TraceModel | null;
  readonly recipe: Recipe | null;
  readonly prompt: Uint32Array;
  readonly beginning: number;
  readonly span: number;
  readonly tracks: readonly Track[];
  textOf(id: number): Promise<string>;
}

/**
 * Throws `trace` for a run so long that its first steps are sums by now, `closed` when another model took the place of the one
 * that knows the texts of its tokens, and `state` where there is no run.
 */
export async function traceFile(run: Kept, look: Look): Promise<Uint8Array> {
  const { model, recipe, prompt, beginning, span, tracks } = run;
  if (!model || !recipe || tracks.length === 0) throw new AttnscopeError('state', t('There is no run to save yet.'));
  const { name, layers, queryHeads, kvHeads, headDim } = model;
  // As they are now: a run may go on while texts are asked for.
  const given = tracks.map(messages);
  const steps = tracks.map(({ said, kl }) =>
    said.map(({ id, text }, i) => ({ id, text, ...(kl[i] !== null && { kl: kl[i] }) })),
  );
  // A prompt says most of its tokens many times, and all methods are told the same.
  const ids = new Set([prompt, ...given.flatMap((turns) => turns.map(({ ids }) => ids))].flatMap((ids) => [...ids]));
  const texts = new Map(await Promise.all(Array.from(ids, async (id) => [id, await run.textOf(id)] as const)));
  const token = (id: number) => ({ id, text: texts.get(id) ?? '' });
  return writeTraceFile({
    model: { name, layers, queryHeads, kvHeads, headDim },
    prompt: Array.from(prompt, token),
    settings: await keptSettings(
      {
        ...{ recipe, look, ends: tracks.map(({ end }) => end), attnscope: version, span },
        ...(beginning > 0 && { beginning }),
      },
      tracks.flatMap(({ histories }) => histories),
      (id) => run.textOf(id),
    ),
    tracks: tracks.map(({ method, params, history, lanes }, i): TraceTrack => {
      const turns = given[i].map(({ ids, ...turn }) => ({ ...turn, tokens: ids.map(token) }));
      return {
        method: method.name,
        title: method.title,
        params,
        steps: steps[i],
        // Together they took turns; alone nobody measured them.
        tokensPerSecond: null,
        ...(turns.length > 0 && { turns }),
        history,
        hosts: lanes,
      };
    }),
  });
}

/** What was said to a method after its first answers, with the ids it was given; not what it never came to answer. */
function messages({ turns, said, ids }: Track) {
  const answered = turns.filter(({ at }) => at < said.length);
  return answered.map(({ at, step, text }) => {
    const before = said[at - 1].position;
    return { at, step, text, last: ids[before], ids: ids.slice(before + 1, said[at].position) };
  });
}
