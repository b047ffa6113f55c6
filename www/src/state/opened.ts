/** A trace file as a run of the page, whoever wrote it. */
import { AttnscopeError } from 'attnscope';
import { readTraceFile, type TraceModel, type TraceRun, type TraceToken } from 'attnscope/trace';
import { t } from '../words/words.svelte.js';
import type { Values } from './params.js';
import { type Look, type Recipe, readLook, readRecipe, SETTINGS_VERSION } from './recipe.js';
import { Track } from './track.svelte.js';

export interface OpenedRun {
  model: TraceModel;
  prompt: readonly TraceToken[];
  /** Tokens that were guessed, whether they are in the text or not. */
  guesses: readonly TraceToken[];
  tracks: Track[];
  recipe: Recipe;
  look: Look;
  /** Tokens that the answers had to begin with. */
  beginning: number;
}

/** Throws `trace` for a file that is none, damaged, or empty. */
export async function openRun(source: Blob | ArrayBuffer): Promise<OpenedRun> {
  const { model, prompt, settings, tracks } = await readTraceFile(source);
  // The first one is what the others are compared with.
  if (!tracks[0]?.steps.length) throw new AttnscopeError('trace', t('This run has no steps.'));
  const { recipe, look, ends, guesses, beginning } = settings.page === SETTINGS_VERSION ? settings : {};
  // Of a file that another program wrote, the text is in the prompt.
  const made = { ...readRecipe(recipe).value, ...(recipe ? {} : { text: prompt.map(({ text }) => text).join('') }) };
  const ids = prompt.map(({ id }) => id);
  return {
    model,
    prompt,
    guesses: Array.isArray(guesses) ? guesses.filter(isToken) : [],
    tracks: tracks.map((from, i) => {
      const track = trackOf(from, i);
      const text = made.sameTokens ? tracks[0].steps : from.steps;
      track.give(ids, 0);
      track.recall(from.steps, ids.length, text, i === 0 ? null : tracks[0].steps);
      const end = Array.isArray(ends) ? ends[i] : null;
      track.end = end === 'eos' || end === 'length' ? end : null;
      return track;
    }),
    recipe: made,
    look: readLook(look),
    beginning: Number.isInteger(beginning) && (beginning as number) > 0 ? (beginning as number) : 0,
  };
}

function trackOf({ method, title, params, history }: TraceRun['tracks'][number], index: number): Track {
  return new Track({ name: method, title, params: [] }, params as Values, index, () => history);
}

/** What a file says of the page's own is anything. */
function isToken(value: unknown): value is TraceToken {
  const token = value as Partial<TraceToken> | null;
  return typeof token?.id === 'number' && typeof token.text === 'string';
}
