import type { Model } from 'attnscope';
import { hosts } from './hosts.svelte.js';
import { loader } from './loader.svelte.js';
import type { Given } from './pictures.js';
import { codeOf, type Problem, problem } from './problems.js';
import { run } from './run.svelte.js';
import type { Track } from './track.svelte.js';

/** At most so much of the prompt is read: what is measured is a step, and reading takes longest. */
export const PROMPT = 512;
/** Tokens that are timed, after the first, which ends the prompt. */
const TOKENS = 24;

/** How fast a method is with the engine to itself, without a trace. */
export interface Speed {
  /** Tokens of prompt. */
  prompt: number;
  /** Tokens a second, of the prompt and of the text after it. */
  reads: number;
  writes: number;
}

/** Measures every method of the newest run alone, one after the other. */
class Speeds {
  /** The method that is being measured. */
  now = $state<string | null>(null);
  problem = $state.raw<Problem | null>(null);
  #stop: AbortController | null = null;

  get busy(): boolean {
    return this.now !== null;
  }

  stop(): void {
    this.#stop?.abort();
  }

  async measure(): Promise<void> {
    const { model } = loader;
    if (!model || this.busy || run.busy || !run.current) return;
    const stop = new AbortController();
    this.#stop = stop;
    this.problem = null;
    // A prompt with pictures is none without their rows, and is not long.
    const prompt = run.given && 'rows' in run.given ? run.given : run.prompt.subarray(0, PROMPT);
    try {
      for (const track of run.tracks) {
        this.now = track.method.title;
        track.alone = await alone(model, track, prompt, stop.signal);
        track.touch();
      }
    } catch (thrown) {
      if (codeOf(thrown) !== 'aborted') this.problem = problem(thrown);
    } finally {
      this.now = null;
    }
  }
}

async function alone(model: Model, track: Track, given: Given['prompt'], signal: AbortSignal): Promise<Speed | null> {
  if (!track.session) return null;
  // As it ran, without what only watches.
  const options = { ...track.session.options, shadow: 0, guard: false, ignoreEos: true, sharePrompt: false };
  const maxTokens = TOKENS + 1;
  const session = await hosts.session(model, track.lanes.length, options, signal);
  try {
    const began = performance.now();
    let first = 0;
    for await (const step of session.generate(given, { maxTokens, signal }))
      if (step.index === 0) first = performance.now();
    const writes = (1000 * TOKENS) / (performance.now() - first);
    const { length } = 'rows' in given ? given.ids : given;
    return { prompt: length, reads: (1000 * length) / (first - began), writes };
  } catch (thrown) {
    await hosts.failed(thrown);
    throw thrown;
  } finally {
    await session.close().catch(() => undefined);
  }
}

export const speeds = new Speeds();
