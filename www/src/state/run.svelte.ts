import { AttnscopeError, type Model, type Step } from 'attnscope';
import type { TraceModel, TraceToken } from 'attnscope/trace';
import type { Mode, Scene } from 'attnscope/view';
import { t } from '../words/words.svelte.js';
import { advisor } from './advisor.svelte.js';
import { slot } from './asking.svelte.js';
import { hosts } from './hosts.svelte.js';
import { hover } from './hover.svelte.js';
import { loader } from './loader.svelte.js';
import type { OpenedRun } from './opened.js';
import { refused } from './params.js';
import { type Asked, type Given, picturesIn, rowAt } from './pictures.js';
import { type Chosen, prepare, tooLong } from './prepare.js';
import { codeOf, FATAL, type Problem, problem } from './problems.js';
import type { Recipe } from './recipe.js';
import { Scrub } from './scrub.svelte.js';
import { type Saved, settings } from './settings.svelte.js';
import { Texts } from './texts.js';
import type { Track } from './track.svelte.js';

export type RunStatus = 'idle' | 'running' | 'done' | 'stopped' | 'failed';

/** A further message as a method reads it, and where. */
interface Turn {
  track: Track;
  ids: Uint32Array;
  from: number;
}

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

  /** Positions where pictures begin in the prompt. */
  pictures = $state.raw<readonly number[]>([]);
  /** What was drawn for it; null where only the trace is there. */
  asked = $state.raw<Asked | null>(null);
  /** Tokens that every answer had to begin with; the one after them is the answer. */
  beginning = $state(0);

  prompt: Uint32Array = new Uint32Array();
  /** As sessions got it; null for a recorded run. */
  given: Given['prompt'] | null = null;
  #stop: AbortController | null = null;
  readonly #texts = new Texts();

  get recorded(): boolean {
    return this.source !== '';
  }

  get busy(): boolean {
    return this.status === 'running';
  }

  /** Whether the model that is loaded is the one it was made with, so that it can go on. */
  get current(): boolean {
    return this.model !== null && this.model === loader.model?.info;
  }

  /** Whether the prompt of a method was read by blocks. */
  get blocks(): boolean {
    return this.tracks.some(({ version, summary }) => version >= 0 && (summary?.facts.densities.length ?? 0) > 0);
  }

  /** Whether hosts told each other what they found. */
  get shared(): boolean {
    return this.tracks.some(({ version, summary }) => version >= 0 && summary?.facts.shares);
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
    // What is set while a model reads or hosts start is for the next run.
    const [all, recipe] = [$state.snapshot(settings.all) as Saved, settings.recipe()];
    const chosen: Chosen[] = settings.chosen(loader.methods).map((method) => ({ method, spec: null }));
    if (advisor.composed) chosen.push(advisor.composed);
    const [pictured, { pads }] = [settings.preset?.pictures, slot];
    await this.#during(async (stop) => {
      this.computed = '';
      if (pictured && !pads) throw new AttnscopeError('picture', t('There is no drawing yet.'));
      const asked = pictured && pads ? pads.ask() : null;
      const { prompt, ids, beginning, tracks, maxTokens } = await prepare(model, chosen, all, asked, this.tracks, stop);
      this.prompt = ids;
      this.given = prompt;
      this.asked = asked;
      this.pictures = picturesIn(ids);
      this.beginning = beginning.length;
      this.promptLength = ids.length;
      this.sameTokens = recipe.sameTokens;
      // What was trained to answer about pictures is one question.
      this.chat = recipe.chat && model.info.chatTemplate && !asked;
      this.turns = 0;
      this.step = 0;
      this.span = ids.length + maxTokens;
      hover.reset();
      this.tracks = tracks;
      this.recipe = recipe;
      this.model = model.info;
      this.source = '';
      this.#texts.begin(model);
      this.scrub.follow();
      await this.#steps(tracks, stop, beginning);
    });
  }

  /** Goes on with the conversation: every method answers a further message, with what its cache has kept. */
  async send(message: string): Promise<void> {
    const model = loader.model;
    const tracks = this.tracks.filter(({ said, problem }) => said.length > 0 && !problem);
    const may = () => this.status === 'done' && this.current && tracks[0] === this.tracks[0];
    if (!model || !may()) return;
    const { maxTokens } = settings.all;
    let turns: Turn[];
    try {
      turns = await Promise.all(tracks.map((track) => this.#turn(model, track, message, maxTokens)));
    } catch (thrown) {
      // Nothing has begun: the conversation is as it was, and a shorter message may follow.
      this.problem = problem(thrown);
      return;
    }
    if (!may()) return;
    await this.#during(async (signal) => {
      for (const { track, ids, from } of turns) {
        track.give(ids, from);
        track.turns.push({ at: track.said.length, step: this.step, text: message });
        track.ended = false;
        this.span = Math.max(this.span, from + ids.length + maxTokens);
        const options = { maxTokens, signal, trace: 'weights' as const, onProgress: track.onProgress, continue: true };
        track.steps = track.session?.generate(ids, options) ?? null;
      }
      this.turns++;
      this.scrub.follow();
      await this.#steps(tracks, signal);
    });
  }

  /** Throws `context` for a message that does not fit. */
  async #turn(model: Model, track: Track, message: string, maxTokens: number): Promise<Turn> {
    const { id, position } = track.said[track.said.length - 1];
    // With the same tokens for all, what the first method was told is what all are told.
    const last = this.sameTokens ? this.tracks[0].said[track.said.length - 1].id : id;
    const ids = await model.encodeTurn([{ role: 'user', content: message }], last);
    const from = position + 1;
    const { context } = model.info;
    if (from + ids.length + maxTokens > context) throw tooLong(from + ids.length, maxTokens, context);
    return { track, ids, from };
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

  /** Shows a recorded run in the place of the one there is. Throws `state` while one goes on. */
  async show(opened: OpenedRun, source: string): Promise<void> {
    if (this.busy) {
      throw new AttnscopeError(
        'state',
        t('{file} was not opened: a run is going on. Stop it first.', { file: source }),
      );
    }
    const { prompt, tokens, tracks, recipe, model, step, span, beginning } = opened;
    const before = this.tracks;
    this.scrub.pause();
    hover.reset();
    this.#texts.begin(null, tokens);
    this.prompt = Uint32Array.from(prompt, ({ id }) => id);
    const turns = Math.max(...tracks.map(({ turns }) => turns.length));
    Object.assign(this, { status: 'idle', problem: null, computed: '', speed: 0, wasmBytes: 0 });
    Object.assign(this, { tracks, recipe, model, source, promptLength: prompt.length, sameTokens: recipe.sameTokens });
    Object.assign(this, { chat: turns > 0, turns, given: null, asked: null, step, span, beginning });
    this.pictures = picturesIn(this.prompt);
    this.scrub.follow();
    await Promise.all(before.map((track) => track.close()));
  }

  /** Text of a token anywhere in the prompt or in what was written. */
  async textAt(track: Track | undefined, position: number): Promise<string> {
    const row = rowAt(this.pictures, position);
    if (row !== null) return row;
    const id = track?.ids[position];
    return id === undefined ? '' : this.textOf(id).catch(() => '');
  }

  /** Text of a token of this run. Throws `closed` when nobody knows it any more. */
  textOf(id: number): Promise<string> {
    return this.#texts.of(id);
  }

  /** `beginning`: what the answers are made to begin with, whatever is proposed. */
  async #steps(tracks: Track[], signal: AbortSignal, beginning: readonly TraceToken[] = []): Promise<void> {
    let active = tracks;
    let made = 0;
    let choice: number | undefined;
    while (active.length > 0) {
      const began = performance.now();
      const steps = await Promise.all(active.map((track) => this.#next(track, choice)));
      if (signal.aborted) throw new AttnscopeError('aborted', 'Stopped.');
      const lead = active[0] === tracks[0] ? steps[0] : null;
      const forced = beginning[made++];
      active.forEach((track, i) => {
        const step = steps[i];
        if (!step) return;
        if (forced) track.take(step, null, forced.id, forced);
        else {
          const id = this.sameTokens && lead && lead.end !== 'eos' ? lead.id : step.id;
          track.take(step, this.#agrees(track, step, lead), id);
        }
      });
      this.step++;
      if (this.sameTokens && lead) {
        const others = active.filter((track, i) => track !== tracks[0] && steps[i] !== null);
        await Promise.all(others.map((track) => track.compare(tracks[0])));
      }
      // The first step waits for the prefill.
      if (this.step > 1) this.speed = (1000 * active.length) / (performance.now() - began);
      choice = forced?.id;
      if (forced) active = active.filter((_, i) => steps[i] !== null);
      else if (this.sameTokens) {
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
      await hosts.failed(thrown);
      if (code === 'aborted' || code === 'closed' || FATAL.has(code) || track.index === 0) throw thrown;
      track.problem = problem(thrown);
      return null;
    }
  }

  #agrees(track: Track, step: Step, lead: Step | null): boolean | null {
    if (track.index === 0) return null;
    // After the end of the first one's answer there is nothing to agree with.
    return lead === null ? null : lead.id === step.id;
  }

  async #measure(tracks: Track[]): Promise<void> {
    const fallbacks: string[] = [];
    for (const track of tracks) {
      const stats = await track.session?.stats().catch(() => null);
      if (!stats) continue;
      track.allocated = stats.allocatedBytes;
      if (stats.fallback !== null)
        fallbacks.push(t('{method} on the CPU: {why}', { method: track.method.title, why: stats.fallback }));
      else if (track.session?.options.backend === 'auto')
        this.computed = t('ran on the {device}', { device: stats.backend.toUpperCase() });
      this.wasmBytes = stats.wasmBytes;
    }
    if (fallbacks.length > 0) this.computed = fallbacks.join('; ');
  }
}

export const run = new Run();
