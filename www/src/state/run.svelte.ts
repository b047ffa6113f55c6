import { AttnscopeError, type Model, type Step } from 'attnscope';
import { History, type TraceModel } from 'attnscope/trace';
import type { Mode, Scene } from 'attnscope/view';
import { advisor } from './advisor.svelte.js';
import { turnIds } from './chat.js';
import { hosts, SPREADS } from './hosts.svelte.js';
import { MOST_HOSTS } from './limits.js';
import { loader } from './loader.svelte.js';
import type { OpenedRun } from './opened.js';
import { type Spec, sessionOptions } from './options.js';
import { refused } from './params.js';
import { codeOf, FATAL, type Problem, problem } from './problems.js';
import type { Recipe } from './recipe.js';
import { Scrub } from './scrub.svelte.js';
import { settings } from './settings.svelte.js';
import { Track } from './track.svelte.js';

export type RunStatus = 'idle' | 'running' | 'done' | 'stopped' | 'failed';

/** Bytes of history of all methods together; beyond them the oldest steps become sums. */
const HISTORY = 128 * 2 ** 20;

/** All chosen methods on one prompt, in lock-step: every method takes one token in turn. */
class Run {
  status = $state<RunStatus>('idle');
  tracks = $state.raw<Track[]>([]);
  problem = $state.raw<Problem | null>(null);
  promptLength = $state(0);
  /** Positions the maps have room for. */
  span = $state(0);
  step = $state(0);
  /** Tokens a second of all methods together, while they take turns. */
  speed = $state(0);
  wasmBytes = $state(0);
  /** What computed the newest run, where that is not what was asked for. */
  computed = $state('');
  sameTokens = $state(true);
  /** Whether the text is a conversation, and how many messages followed the first. */
  chat = $state(false);
  turns = $state(0);
  /** What the run was made with. */
  recipe = $state.raw<Recipe | null>(null);
  model = $state.raw<TraceModel | null>(null);
  /** What a recorded run is called; empty for one that was made here. */
  source = $state('');
  readonly scrub = new Scrub(
    () => this.tracks,
    () => this.step,
  );

  prompt: Uint32Array = new Uint32Array();
  #stop: AbortController | null = null;
  /** Texts of tokens, and who knows the others: the model of this run, as long as it is there. */
  #texts = new Map<number, string>();
  #decoder: Model | null = null;

  get recorded(): boolean {
    return this.source !== '';
  }

  get busy(): boolean {
    return this.status === 'running';
  }

  /** What a map of a track is drawn from. Differences are those to the first method. */
  scene(track: Track, mode: Mode): Scene {
    return { view: track.view, mode, reference: this.tracks[0].view };
  }

  stop(): void {
    this.#stop?.abort();
  }

  async start(): Promise<void> {
    const model = loader.model;
    if (!model || this.busy) return;
    await this.#during(async (stop) => {
      this.computed = '';
      const { ids, tracks } = await this.#prepare(model);
      this.prompt = ids;
      this.promptLength = ids.length;
      this.sameTokens = settings.all.sameTokens;
      this.chat = settings.all.chat && model.info.chatTemplate;
      this.turns = 0;
      this.step = 0;
      this.span = ids.length + settings.all.maxTokens;
      this.tracks = tracks;
      this.recipe = settings.recipe();
      this.model = model.info;
      this.source = '';
      this.#knowTexts(model);
      this.scrub.follow();
      await this.#steps(tracks, stop);
    });
  }

  /** Goes on with the conversation: every method answers a further message, with what its cache has kept. */
  async send(message: string): Promise<void> {
    const model = loader.model;
    const tracks = this.tracks.filter(({ said, problem }) => said.length > 0 && !problem);
    if (!model || this.status !== 'done' || tracks[0] !== this.tracks[0]) return;
    await this.#during(async (signal) => {
      const { maxTokens } = settings.all;
      for (const track of tracks) {
        const { id, position } = track.said[track.said.length - 1];
        // With the same tokens for all, what the first method was told is what all are told.
        const last = this.sameTokens ? this.tracks[0].said[track.said.length - 1].id : id;
        const ids = await turnIds(model, message, last);
        const span = position + 1 + ids.length + maxTokens;
        if (span > model.info.context) throw tooLong(position + 1 + ids.length, maxTokens, model.info.context);
        track.give(ids, position + 1);
        track.turns.push({ at: track.said.length, text: message });
        track.ended = false;
        this.span = Math.max(this.span, span);
        const options = { maxTokens, signal, trace: 'sets' as const, onProgress: track.onProgress, continue: true };
        track.steps = track.session?.generate(ids, options) ?? null;
      }
      this.turns++;
      this.scrub.follow();
      await this.#steps(tracks, signal);
    });
  }

  /** Work that may be stopped and may fail; says how it ended. */
  async #during(work: (stop: AbortSignal) => Promise<void>): Promise<void> {
    this.#stop = new AbortController();
    this.status = 'running';
    this.problem = null;
    try {
      await work(this.#stop.signal);
      this.status = 'done';
    } catch (thrown) {
      // When one method brings the run down, the others need not go on.
      this.#stop.abort();
      // Closed: another model took the place of this one.
      const stopped = ['aborted', 'closed'].includes(codeOf(thrown));
      this.status = stopped ? 'stopped' : 'failed';
      if (stopped) return;
      this.problem = problem(thrown);
      const field = this.problem.code === 'param' ? refused(String(thrown instanceof Error && thrown.message)) : null;
      if (field) settings.refusals[field] = this.problem.detail;
      if (FATAL.has(codeOf(thrown))) await loader.fail(thrown);
    } finally {
      for (const track of this.tracks) track.touch();
    }
  }

  /** Shows a recorded run in the place of the one there is. */
  async show(opened: OpenedRun, source: string): Promise<void> {
    const { prompt, guesses, tracks, recipe, model } = opened;
    await Promise.all(this.tracks.map((track) => track.close()));
    this.scrub.pause();
    this.#knowTexts(null);
    for (const { id, text } of [...guesses, ...prompt]) this.#texts.set(id, text);
    for (const { said } of tracks) for (const { id, text } of said) this.#texts.set(id, text);
    this.prompt = Uint32Array.from(prompt, ({ id }) => id);
    this.step = Math.max(...tracks.map(({ said }) => said.length));
    Object.assign(this, { status: 'idle', problem: null, computed: '', speed: 0, wasmBytes: 0 });
    Object.assign(this, { tracks, recipe, model, source, promptLength: prompt.length, sameTokens: recipe.sameTokens });
    Object.assign(this, { chat: false, turns: 0 });
    this.span = prompt.length + Math.max(this.step, recipe.maxTokens);
    this.scrub.follow();
  }

  /** Text of a token anywhere in the prompt or in what was written. */
  async textAt(track: Track | undefined, position: number): Promise<string> {
    const id = track?.ids[position];
    return id === undefined ? '' : this.textOf(id).catch(() => '');
  }

  /** Text of a token of this run. Throws `closed` when nobody knows it any more. */
  async textOf(id: number): Promise<string> {
    const known = this.#texts.get(id);
    if (known !== undefined) return known;
    if (!this.#decoder) throw new AttnscopeError('closed', 'The model of this run is gone.');
    const text = await this.#decoder.decode([id]);
    this.#texts.set(id, text);
    return text;
  }

  /** Ids mean something else in every model. */
  #knowTexts(model: Model | null): void {
    if (this.#decoder === model && model) return;
    this.#decoder = model;
    this.#texts = new Map();
  }

  /** Everything that may fail before anything that is on screen is given up. */
  async #prepare(model: Model): Promise<{ ids: Uint32Array; tracks: Track[] }> {
    const { all } = settings;
    if (all.text.trim() === '') throw new AttnscopeError('empty_prompt', 'There is nothing to read.');
    const text =
      all.chat && model.info.chatTemplate ? await model.chat([{ role: 'user', content: all.text }]) : all.text;
    const ids = await model.encode(text, { parseSpecial: all.chat, begin: true });
    const { context } = model.info;
    if (ids.length + all.maxTokens > context) throw tooLong(ids.length, all.maxTokens, context);
    await Promise.all(this.tracks.map((track) => track.close()));
    const chosen = settings.chosen(loader.methods).map((method) => ({ method, spec: null as Spec | null }));
    if (advisor.composed) chosen.push(advisor.composed);
    const limit = HISTORY / chosen.length;
    const tracks = chosen.map(({ method, spec }, i) => {
      const spread = method.name === SPREADS ? Math.min(MOST_HOSTS, all.hosts) : 1;
      const makeHistory = () => new History(model.info, { limit: limit / spread });
      return new Track(method, $state.snapshot(all.params[method.name]) ?? {}, i, makeHistory, spec, spread);
    });
    const signal = this.#stop?.signal;
    if (tracks.every(({ lanes }) => lanes.length === 0)) await hosts.close();
    try {
      for (const track of tracks) {
        const { method, spec, params } = track;
        // A conversation may go on to the end of what the model can hold.
        const length = all.chat ? context : ids.length + all.maxTokens;
        const options = sessionOptions(method, spec, params, $state.snapshot(all), length);
        const spread = track.lanes.length;
        const on = spread > 0 ? await hosts.model(spread, signal) : model;
        // Hosts compute on the CPU.
        track.session = await on.session(spread > 0 ? { ...options, backend: 'cpu' } : options);
        track.give(ids, 0);
        const how = { maxTokens: all.maxTokens, signal, trace: 'sets' as const, onProgress: track.onProgress };
        track.steps = track.session.generate(ids, how);
      }
    } catch (thrown) {
      // Nobody else knows of the sessions that were opened before one was refused.
      await Promise.all(tracks.map((track) => track.close()));
      throw thrown;
    }
    return { ids, tracks };
  }

  async #steps(tracks: Track[], signal: AbortSignal): Promise<void> {
    let active = tracks;
    let choice: number | undefined;
    while (active.length > 0) {
      const began = performance.now();
      const steps = await Promise.all(active.map((track) => this.#next(track, choice)));
      if (signal.aborted) throw new AttnscopeError('aborted', 'Stopped.');
      const lead = active[0] === tracks[0] ? steps[0] : null;
      active.forEach((track, i) => {
        const step = steps[i];
        if (step)
          track.take(
            step,
            this.#agrees(track, step, lead),
            this.sameTokens && lead && lead.end !== 'eos' ? lead.id : step.id,
          );
      });
      this.step++;
      // The first step waits for the prefill.
      if (this.step > 1) this.speed = (1000 * active.length) / (performance.now() - began);
      if (this.sameTokens) {
        // Without the first method nobody says how the text goes on.
        if (!lead || lead.end !== null) {
          // The last token is taken too, for the text may go on.
          if (lead?.end === 'length') await Promise.all(active.map((track) => track.steps?.next(lead.id)));
          active = [];
        } else active = active.filter((_, i) => steps[i] !== null);
        choice = lead?.id;
      } else {
        active = active.filter((_, i) => steps[i] !== null && steps[i].end === null);
      }
      for (const track of tracks) track.ended = !active.includes(track);
      if (this.step % 8 === 1 || active.length === 0) void this.#measure(tracks);
    }
    await Promise.all(tracks.map((track) => track.steps?.return()));
  }

  /** The next step of one method, or null when it ended or failed; a failure of one leaves the others running. */
  async #next(track: Track, choice: number | undefined): Promise<Step | null> {
    try {
      const { value } = await track.steps!.next(choice);
      return value ?? null;
    } catch (thrown) {
      const code = codeOf(thrown);
      if (code === 'aborted' || code === 'closed' || FATAL.has(code) || track.index === 0) throw thrown;
      track.problem = problem(thrown);
      return null;
    }
  }

  #agrees(track: Track, step: Step, lead: Step | null): boolean | null {
    if (track.index === 0) return null;
    const reference = lead?.id ?? this.tracks[0].said[track.said.length]?.id;
    return reference === undefined ? null : reference === step.id;
  }

  async #measure(tracks: Track[]): Promise<void> {
    const fallbacks: string[] = [];
    for (const track of tracks) {
      const stats = await track.session?.stats().catch(() => null);
      if (!stats) continue;
      track.allocated = stats.allocatedBytes;
      if (stats.fallback !== null) fallbacks.push(`${track.method.title} on the CPU: ${stats.fallback}`);
      else if (settings.all.backend === 'auto') this.computed = `ran on the ${stats.backend.toUpperCase()}`;
      this.wasmBytes = stats.wasmBytes;
    }
    if (fallbacks.length > 0) this.computed = fallbacks.join('; ');
  }
}

function tooLong(prompt: number, generate: number, context: number): AttnscopeError {
  const sum = `${prompt} tokens of prompt and ${generate} to generate`;
  return new AttnscopeError('context', `${sum} are more than the ${context} this model can hold.`);
}

export const run = new Run();
