import { hosts } from './hosts.svelte.js';
import { loader } from './loader.svelte.js';
import { sessionOptions } from './options.js';
import { codeOf, type Problem, problem } from './problems.js';
import { run } from './run.svelte.js';
import { settings } from './settings.svelte.js';
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
    if (this.busy || run.busy || run.prompt.length === 0) return;
    const stop = new AbortController();
    this.#stop = stop;
    this.problem = null;
    try {
      for (const track of run.tracks) {
        this.now = track.method.title;
        track.alone = await alone(track, run.prompt.subarray(0, PROMPT), stop.signal);
        track.touch();
      }
    } catch (thrown) {
      if (codeOf(thrown) !== 'aborted') this.problem = problem(thrown);
    } finally {
      this.now = null;
    }
  }
}

async function alone(
  { method, spec, params, lanes }: Track,
  ids: Uint32Array,
  signal: AbortSignal,
): Promise<Speed | null> {
  const all = { ...$state.snapshot(settings.all), shadow: 0, guard: false };
  const maxTokens = TOKENS + 1;
  const options = sessionOptions(method, spec, params, all, ids.length + maxTokens);
  const spread = lanes.length;
  const model = spread > 0 ? await hosts.model(spread, signal) : loader.model;
  const session = await model?.session({ ...options, ...(spread > 0 ? { backend: 'cpu' } : {}), ignoreEos: true });
  if (!session) return null;
  try {
    const began = performance.now();
    let first = 0;
    for await (const step of session.generate(ids, { maxTokens, signal }))
      if (step.index === 0) first = performance.now();
    const writes = (1000 * TOKENS) / (performance.now() - first);
    return { prompt: ids.length, reads: (1000 * ids.length) / (first - began), writes };
  } finally {
    await session.close();
  }
}

export const speeds = new Speeds();
