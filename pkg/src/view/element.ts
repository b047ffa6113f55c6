/** `<attn-scope trace="run.attn">`: a trace file to look at, on any page, without a model and without the engine. */
import { AttnscopeError, toError } from '../errors.js';
import { readTraceFile } from '../trace/file.js';
import type { TraceRun } from '../trace/run.js';
import { make } from './dom.js';
import { Player } from './player.js';
import { STYLE } from './style.js';
import { say } from './words.js';

/** Where a trace comes from: an address, or the file itself. */
export type TraceSource = string | URL | Blob | ArrayBuffer | Uint8Array;

/**
 * The element. It fires `load` when a run is shown, `step` when another step is drawn, and `error`, after showing what
 * is wrong, with an `AttnscopeError` as its `detail`.
 */
export interface AttnScopeElement extends HTMLElement {
  /** Takes the place of the attribute, whatever that says. */
  trace: TraceSource | null;
  /** The run that is shown. */
  readonly run: TraceRun | null;
  /** Counted from 0; setting it seeks. */
  step: number;
  readonly playing: boolean;
  play(): void;
  pause(): void;
}

/**
 * Makes the element known to the page, under another name if need be. Does nothing once the name is taken, and where there
 * are no elements, as on a server.
 */
export function define(name = 'attn-scope'): void {
  if (typeof customElements === 'undefined') return;
  if (!customElements.get(name)) customElements.define(name, elementClass());
}

/** Made when it is asked for: where there is no page, there is no `HTMLElement` to extend. */
function elementClass(): CustomElementConstructor {
  return class extends HTMLElement implements AttnScopeElement {
    static readonly observedAttributes = ['trace'];
    readonly #root = this.attachShadow({ mode: 'open' });
    readonly #dark = matchMedia('(prefers-color-scheme: dark)');
    readonly #repaint = () => this.#player?.setTheme(this.#theme);
    #player: Player | null = null;
    #source: TraceSource | null = null;
    #stop: AbortController | null = null;
    /** `isConnected` is true before an element of the markup hears of its attributes, which would load twice. */
    #connected = false;

    constructor() {
      super();
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      this.#root.adoptedStyleSheets = [sheet];
    }

    get trace(): TraceSource | null {
      return this.#source;
    }

    set trace(source: TraceSource | null) {
      this.#source = source;
      if (this.#connected) void this.#load();
    }

    get run(): TraceRun | null {
      return this.#player?.run ?? null;
    }

    get step(): number {
      return this.#player?.step ?? 0;
    }

    set step(step: number) {
      void this.#player?.seek(step);
    }

    get playing(): boolean {
      return this.#player?.playing ?? false;
    }

    play(): void {
      if (!this.playing) this.#player?.toggle();
    }

    pause(): void {
      if (this.playing) this.#player?.pause();
    }

    connectedCallback(): void {
      this.#connected = true;
      this.#dark.addEventListener('change', this.#repaint);
      if (this.#source !== null) void this.#load();
    }

    disconnectedCallback(): void {
      this.#connected = false;
      this.#dark.removeEventListener('change', this.#repaint);
      this.#clear();
    }

    attributeChangedCallback(_: string, __: string | null, value: string | null): void {
      this.trace = value;
    }

    get #theme() {
      return this.#dark.matches ? 'dark' : 'light';
    }

    #clear(): void {
      this.#stop?.abort();
      this.#player?.destroy();
      this.#player = null;
      this.#root.replaceChildren();
    }

    async #load(): Promise<void> {
      this.#clear();
      if (this.#source === null) return;
      const stop = new AbortController();
      this.#stop = stop;
      this.#root.append(make('p', { role: 'status' }, say('Loading the trace…')));
      try {
        const run = await readTraceFile(await bytesOf(this.#source, stop.signal), { signal: stop.signal });
        if (stop.signal.aborted) return;
        const fire = (step: number) => this.dispatchEvent(new CustomEvent('step', { detail: step }));
        const player = new Player(run, this.#theme, fire, (thrown) => this.#fail(thrown));
        this.#player = player;
        this.#root.replaceChildren(player.element);
        await player.seek(player.step);
        // Drawing may have failed.
        if (stop.signal.aborted) return;
        this.dispatchEvent(new CustomEvent('load'));
      } catch (thrown) {
        if (!stop.signal.aborted) this.#fail(thrown);
      }
    }

    #fail(thrown: unknown): void {
      const error = toError(thrown);
      this.#clear();
      this.#root.append(
        make(
          'p',
          { class: 'error', role: 'alert' },
          say('This trace cannot be shown. {message}', { message: error.message }),
        ),
      );
      this.dispatchEvent(new CustomEvent('error', { detail: error }));
    }
  };
}

async function bytesOf(source: TraceSource, signal: AbortSignal): Promise<Blob | ArrayBuffer | Uint8Array> {
  if (typeof source !== 'string' && !(source instanceof URL)) return source;
  let response: Response;
  try {
    response = await fetch(source, { signal });
  } catch (thrown) {
    throw new AttnscopeError('network', `${source} could not be fetched.`, { cause: thrown });
  }
  if (!response.ok) throw new AttnscopeError('http', `${source} answered ${response.status}.`);
  return response.blob();
}
