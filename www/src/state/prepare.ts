/** From what is set to tracks with a session each, which have the prompt before them. */
import { AttnscopeError, type MethodInfo, type Model } from 'attnscope';
import { HISTORY_LIMIT, History } from 'attnscope/trace';
import { t } from '../words/words.svelte.js';
import { hosts } from './hosts.svelte.js';
import { MOST_HOSTS } from './limits.js';
import { type Spec, sessionOptions } from './options.js';
import { ranWith } from './params.js';
import type { Asked, Given } from './pictures.js';
import { given } from './prompt.js';
import type { Saved } from './settings.svelte.js';
import { Track } from './track.svelte.js';

/** A method that is to run. `spec`: several together, in the place of the one that `method` describes. */
export interface Chosen {
  method: MethodInfo;
  spec: Spec | null;
}

interface Prepared extends Given {
  tracks: Track[];
  maxTokens: number;
}

/** Everything that may fail before anything that is on screen is given up; the sessions of `before` make room. */
export async function prepare(
  model: Model,
  chosen: readonly Chosen[],
  all: Saved,
  asked: Asked | null,
  before: readonly Track[],
  signal: AbortSignal,
): Promise<Prepared> {
  const { text, chat } = all;
  if (text.trim() === '') throw new AttnscopeError('empty_prompt', t('There is nothing to read.'));
  const begin = await given(model, text, chat, asked);
  const { prompt, ids, beginning } = begin;
  // Beside the words that it must begin with, an answer has one of its own.
  const maxTokens = Math.max(all.maxTokens, beginning.length + 1);
  const { context } = model.info;
  if (ids.length + maxTokens > context) throw tooLong(ids.length, maxTokens, context);
  await Promise.all(before.map((track) => track.close()));
  const spreads = (method: MethodInfo) => method.spreads && all.hosts > 1;
  if (!chosen.some(({ method }) => spreads(method))) await hosts.close();
  const limit = HISTORY_LIMIT / chosen.length;
  const tracks: Track[] = [];
  try {
    for (const { method, spec } of chosen) {
      const asked = all.params[method.name] ?? {};
      // A conversation may go on to the end of what the model can hold.
      const options = sessionOptions(method, spec, asked, all, chat ? context : ids.length + maxTokens);
      if (chosen.length > 1) options.sharePrompt = true;
      const count = spreads(method) ? Math.min(MOST_HOSTS, all.hosts) : 1;
      const session = await hosts.session(model, count, options, signal);
      const params = ranWith(method, session.options);
      const makeHistory = () => new History(model.info, { limit: limit / count });
      const track = new Track(method, params, tracks.length, makeHistory, count, asked);
      tracks.push(track);
      track.session = session;
      track.give(ids, 0);
      const how = { maxTokens, signal, trace: 'weights' as const, onProgress: track.onProgress };
      track.steps = session.generate(prompt, how);
    }
  } catch (thrown) {
    // Nobody else knows of the sessions that were opened before one was refused.
    await Promise.all(tracks.map((track) => track.close()));
    throw thrown;
  }
  return { ...begin, tracks, maxTokens };
}

export function tooLong(prompt: number, generate: number, context: number): AttnscopeError {
  return new AttnscopeError(
    'context',
    t('{prompt} tokens of prompt and {generate} to generate are more than the {context} this model can hold.', {
      ...{ prompt, generate, context },
    }),
  );
}
