/** A recorded run to look at: the maps of its methods side by side, its text, and a timeline over its steps. */
import { AttnscopeError } from '../errors.js';
import { mergeEvents, nextEvent, type StepEvent } from '../trace/events.js';
import type { StepSummary } from '../trace/history.js';
import { historiesOf, positionsOf, type TraceRun, type TraceTrack } from '../trace/run.js';
import { madeAt, stepAt } from '../trace/turns.js';
import type { KindName } from '../trace.gen.js';
import { type Axis, axisFor } from './cells.js';
import { make } from './dom.js';
import { plural } from './format.js';
import { churnOf } from './layers.js';
import { marksOf } from './marks.js';
import type { Theme } from './palette.js';
import { Cell, MODE_STATES, MODES, type Mode, type StateName, stateName } from './states.js';
import { Timeline } from './timeline.js';
import { TrackPanel } from './track-panel.js';
import { say } from './words.js';

/** Milliseconds that a step is shown while playing. */
const PACE = 250;
/** Tokens of the prompt that stand before those of the steps. */
const PROMPT_END = 24;

const MADE_BY: Partial<Record<StateName, KindName>> = { quantised: 'quantise', parked: 'park', merged: 'fold' };

export class Player {
  readonly element: HTMLElement;
  readonly #panels: TrackPanel[];
  readonly #timeline: Timeline;
  readonly #events: StepEvent[][];
  readonly #tokens: HTMLElement;
  readonly #key = make('div', { class: 'row key' });
  readonly #first: number;
  readonly #last: number;
  readonly #resize = new ResizeObserver(([{ contentRect }]) => {
    // Drawing changes texts, and these the height.
    if (contentRect.width === this.#width) return;
    this.#width = contentRect.width;
    void this.#draw();
  });
  #width = 0;
  #mode: Mode = 'reads';
  #step: number;
  #timer = 0;
  /** A drawing that is under way, and whether something changed since it began. */
  #drawing: Promise<void> | null = null;
  #stale = false;

  /** Throws `trace` for a run without steps. */
  constructor(
    readonly run: TraceRun,
    private theme: Theme,
    private readonly onstep: (step: number) => void,
    private readonly onerror: (thrown: unknown) => void,
  ) {
    const tracks = run.tracks.filter(({ steps }) => steps.length > 0);
    if (tracks.length === 0) throw new AttnscopeError('trace', 'This run has no steps.');
    this.#last = Math.max(...tracks.map((track) => stepAt(track, track.steps.length - 1)));
    this.#first = Math.max(...tracks.flatMap((track) => historiesOf(track).map(({ first }) => stepAt(track, first))));
    this.#step = this.#first;
    this.#panels = tracks.map((track) => new TrackPanel(track, tracks[0]));
    this.#events = mergeEvents(tracks.flatMap(byStep));
    const marks = marksOf(this.#events);
    const actions = { seek: (step: number) => this.seek(step), toggle: () => this.toggle() };
    this.#timeline = new Timeline(this.#first, this.#last, marks, actions);
    this.#tokens = this.#makeTokens();
    this.element = this.#assemble();
    this.#resize.observe(this.element);
  }

  get step(): number {
    return this.#step;
  }

  get playing(): boolean {
    return this.#timer !== 0;
  }

  /** Shows a step, or the nearest there is. Resolves when it is drawn. */
  seek(step: number): Promise<void> {
    this.#step = Math.min(this.#last, Math.max(this.#first, Math.round(step) || 0));
    return this.#draw();
  }

  toggle(): void {
    if (this.playing) return this.pause();
    // At the end it begins anew.
    if (this.#step === this.#last) this.#step = this.#first;
    else void this.seek(this.#step + 1);
    this.#timer = window.setInterval(() => {
      if (this.#step >= this.#last - 1) this.pause();
      void this.seek(this.#step + 1);
    }, PACE);
    void this.#draw();
  }

  pause(): void {
    window.clearInterval(this.#timer);
    this.#timer = 0;
    void this.#draw();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    void this.#draw();
  }

  destroy(): void {
    window.clearInterval(this.#timer);
    this.#resize.disconnect();
  }

  /** One at a time, and the newest state wins. */
  #draw(): Promise<void> {
    this.#stale = true;
    this.#drawing ??= this.#drawAll().finally(() => {
      this.#drawing = null;
    });
    return this.#drawing;
  }

  async #drawAll(): Promise<void> {
    try {
      while (this.#stale) {
        this.#stale = false;
        const step = this.#step;
        const shown = await Promise.all(this.#panels.map((panel) => panel.seek(step)));
        const look = { mode: this.#mode, axis: this.#axis(), theme: this.theme };
        for (const [i, panel] of this.#panels.entries()) panel.draw(shown[i], shown[0].view, step, look);
        this.#showStep(step);
      }
    } catch (thrown) {
      this.destroy();
      this.onerror(thrown);
    }
  }

  #axis(): Axis {
    const width = this.#panels[0].element.clientWidth * Math.min(2, window.devicePixelRatio || 1);
    return axisFor(positionsOf(this.run), Math.max(100, Math.floor(width)));
  }

  #showStep(step: number): void {
    const { track } = this.#panels[0];
    this.#timeline.show(step, this.playing, track.steps[madeAt(track, step)]?.text ?? '');
    this.#tokens.querySelector('[aria-current]')?.removeAttribute('aria-current');
    const token = this.#tokens.querySelector(`[data-step="${step}"]`);
    token?.setAttribute('aria-current', 'step');
    if (token instanceof HTMLElement) {
      // `scrollIntoView` would scroll the page too.
      this.#tokens.scrollTop = token.offsetTop - this.#tokens.offsetTop - this.#tokens.clientHeight / 2;
    }
    this.onstep(step);
  }

  #makeTokens(): HTMLElement {
    const prompt = this.run.prompt.slice(-PROMPT_END).map(({ text }) => text);
    const { track } = this.#panels[0];
    const messages = new Map(track.turns?.map(({ at, text }) => [at, make('q', {}, text)]));
    const tokens = track.steps.flatMap(({ text }, at) => {
      const step = stepAt(track, at);
      const token = make('span', { 'data-step': String(step) }, text);
      token.addEventListener('click', () => void this.seek(step));
      const message = messages.get(at);
      return message ? [message, token] : [token];
    });
    return make('div', { class: 'tokens' }, make('span', { class: 'prompt' }, prompt.join('')), ...tokens);
  }

  #assemble(): HTMLElement {
    const names: Record<Mode, string> = {
      reads: say('Reads'),
      storage: say('Storage'),
      weights: say('Weights'),
      difference: say('Difference to {method}', { method: this.#panels[0].track.title }),
    };
    const modes = MODES.filter((mode) => mode !== 'difference' || this.#panels.length > 1).map((mode) => {
      const button = make('button', { type: 'button', 'data-mode': mode }, names[mode]);
      button.addEventListener('click', () => this.#setMode(mode));
      if (mode === 'weights' && !this.#panels.some(({ track }) => track.history.view.weights.known)) {
        button.disabled = true;
        button.title = say('This run was recorded without weights.');
      }
      return button;
    });
    const titles = this.#panels.map(({ track }) => track.title).join(', ');
    const { name } = this.run.model;
    const label = say('Recorded run of {name}: {titles}', { name, titles });
    const panels = make('div', { class: 'panels' }, ...this.#panels.map(({ element }) => element));
    const top = make('div', { class: 'row', role: 'group', 'aria-label': say('What the maps show') }, ...modes);
    const sizes = { tokens: plural(this.run.prompt.length, 'token'), steps: plural(this.#last + 1, 'step') };
    const about = say('Recorded with {name}: {tokens} of prompt, {steps}.', { name, ...sizes });
    const notice = say('The steps before {n} were too many to keep.', { n: this.#first + 1 });
    const player = make('div', { class: 'player', role: 'group', 'aria-label': label });
    player.append(make('p', {}, about), top, this.#key, panels);
    if (this.#first > 0) player.append(make('p', {}, notice));
    player.append(this.#tokens, this.#timeline.element);
    player.addEventListener('keydown', (event) => this.#press(event));
    queueMicrotask(() => this.#setMode(this.#mode));
    return player;
  }

  #setMode(mode: Mode): void {
    this.#mode = mode;
    for (const button of this.element.querySelectorAll<HTMLElement>('[data-mode]')) {
      button.setAttribute('aria-pressed', String(button.dataset.mode === mode));
    }
    const names = [...MODE_STATES[mode].filter((name) => this.#occurs(name)), 'empty' as const];
    const keys = names.map((name) => {
      const swatch = make('i');
      swatch.style.background = `var(--cell-${name})`;
      return make('span', {}, swatch, stateName(Cell[name], mode));
    });
    this.#key.replaceChildren(...keys);
    void this.#draw();
  }

  /** Whether the key needs a state: those that only some methods know come with an event. */
  #occurs(state: StateName): boolean {
    if (state === 'earlier') return this.#panels.some(({ track }) => churnOf(track.history.view) !== null);
    const made = MADE_BY[state];
    return !made || this.#events.some((events) => events.some(({ kind }) => kind === made));
  }

  #press(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    // A button takes the space bar itself.
    const onButton = event.target instanceof HTMLButtonElement;
    const direction = { ArrowRight: 1, ArrowLeft: -1 }[event.key] as 1 | -1 | undefined;
    if (event.key === ' ' && !onButton) this.toggle();
    else if (event.key === 'Home') void this.seek(this.#first);
    else if (event.key === 'End') void this.seek(this.#last);
    else if (direction && event.shiftKey) {
      const found = nextEvent(this.#events, this.#step, direction);
      if (found >= 0) void this.seek(found);
    } else if (direction) void this.seek(this.#step + direction);
    else return;
    event.preventDefault();
  }
}

/** The steps of a track at their places in the run, for each host. */
function byStep(track: TraceTrack): StepSummary[][] {
  return historiesOf(track).map((history) => {
    const steps: StepSummary[] = [];
    for (const [at, step] of history.steps.entries()) steps[stepAt(track, at)] = step;
    return steps;
  });
}
