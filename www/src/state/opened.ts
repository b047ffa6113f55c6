/** A trace file as a run of the page, whoever wrote it. */
import { AttnscopeError } from 'attnscope';
import { readTraceFile, type TraceModel, type TraceToken, type TraceTrack } from 'attnscope/trace';
import { t } from '../words/words.svelte.js';
import { MAX_TOKENS } from './limits.js';
import type { Values } from './params.js';
import { type Look, type Recipe, readLook, readRecipe, SETTINGS_VERSION } from './recipe.js';
import { Track } from './track.svelte.js';

export interface OpenedRun {
  model: TraceModel;
  prompt: readonly TraceToken[];
  /** All tokens whose texts it has, whether they are in the text or were only guessed. */
  tokens: readonly TraceToken[];
  tracks: Track[];
  /** Steps of the run, and positions the maps have room for. */
  step: number;
  span: number;
  recipe: Recipe;
  look: Look;
  /** Tokens that the answers had to begin with. */
  beginning: number;
}

/** Throws `trace` for a file that is none, damaged, or empty. */
export async function openRun(source: Blob | ArrayBuffer): Promise<OpenedRun> {
  const { model, prompt, settings, tracks: recorded } = await readTraceFile(source);
  // The first one is what the others are compared with.
  if (!recorded[0]?.steps.length) throw new AttnscopeError('trace', t('This run has no steps.'));
  const { recipe, look, ends, guesses, beginning, span } = settings.page === SETTINGS_VERSION ? settings : {};
  // Of a file that another program wrote, the text is in the prompt.
  const made = { ...readRecipe(recipe).value, ...(recipe ? {} : { text: prompt.map(({ text }) => text).join('') }) };
  const ids = prompt.map(({ id }) => id);
  const forced = Number.isInteger(beginning) && (beginning as number) > 0 ? (beginning as number) : 0;
  const tracks: Track[] = [];
  for (const [i, from] of recorded.entries()) {
    const track = trackOf(from, i);
    track.give(ids, 0);
    track.recall(from, tracks[0] ?? null, made.sameTokens, forced);
    const end = Array.isArray(ends) ? ends[i] : null;
    track.end = end === 'eos' || end === 'length' ? end : null;
    tracks.push(track);
  }
  const length = Math.max(...tracks.map((track) => track.ids.length));
  const said = recorded.flatMap(({ steps, turns = [] }) => [...turns.flatMap(({ tokens }) => tokens), ...steps]);
  return {
    model,
    prompt,
    tokens: [...(Array.isArray(guesses) ? guesses.filter(isToken) : []), ...prompt, ...said],
    tracks,
    step: Math.max(...tracks.map((track) => track.stepAt(track.said.length - 1) + 1)),
    span: Number.isInteger(span)
      ? Math.min(length + MAX_TOKENS, Math.max(length, span as number))
      : Math.max(length, ids.length + made.maxTokens),
    recipe: made,
    look: readLook(look),
    beginning: forced,
  };
}

function trackOf({ method, title, params, history, hosts = [] }: TraceTrack, index: number): Track {
  const histories = (hosts.length > 0 ? hosts : [history]).values();
  return new Track(
    { name: method, title, params: [] },
    params as Values,
    index,
    () => histories.next().value!,
    hosts.length,
  );
}

/** What a file says of the page's own is anything. */
function isToken(value: unknown): value is TraceToken {
  const token = value as Partial<TraceToken> | null;
  return typeof token?.id === 'number' && typeof token.text === 'string';
}
