import {
  AttnscopeError,
  type Engine,
  type GpuInfo,
  type LoadNotice,
  type LoadProgress,
  type MethodInfo,
  type Model,
  open,
  type Source,
} from 'attnscope';
import { t } from '../words/words.svelte.js';
import { hasSimd } from './capabilities.js';
import { downloads } from './downloads.svelte.js';
import { codeOf, FATAL, noSimd, type Problem, problem } from './problems.js';

export type Status = 'starting' | 'empty' | 'loading' | 'ready' | 'broken';

/** Progress with what makes waiting bearable. */
export interface Waiting extends LoadProgress {
  /** Bytes a second over the last seconds; 0 while unknown. */
  speed: number;
}

/** The engine and the model in it. */
class Loader {
  status = $state<Status>('starting');
  methods = $state.raw<readonly MethodInfo[]>([]);
  model = $state.raw<Model | null>(null);
  label = $state('');
  /** True while the visitor looks for another model. */
  changing = $state(false);
  waiting = $state.raw<Waiting | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** Why the model that is loaded is not kept in this browser, or was downloaded anew. */
  notice = $state.raw<{ title: string; detail: string } | null>(null);
  /** Size of the model at the address in the settings; `none` when there is no file, null while nobody knows. */
  offered = $state.raw<number | 'none' | null>(null);

  /** The GPU, once somebody has asked for it, or why it cannot be used. */
  gpu = $state.raw<GpuInfo | Problem | null>(null);

  /** What the model was read from, for those who need it once more. */
  source: Source | null = null;

  #engine: Engine | null = null;
  #stop: AbortController | null = null;
  #again: (() => void) | null = null;

  /** Starts the engine, which also tells the methods. No model is fetched before somebody asks for it. */
  async start(): Promise<void> {
    this.status = 'starting';
    this.problem = null;
    this.gpu = null;
    this.#again = () => void this.start();
    if (!hasSimd()) {
      this.problem = noSimd();
      this.status = 'broken';
      return;
    }
    try {
      this.#engine = await open();
      this.methods = this.#engine.methods;
      this.status = 'empty';
    } catch (thrown) {
      this.problem = problem(thrown);
      this.status = 'broken';
    }
  }

  /** Opens the GPU and tests it, to tell what it is. */
  async askGpu(): Promise<void> {
    this.gpu = null;
    try {
      this.gpu = (await this.#engine?.gpu()) ?? null;
    } catch (thrown) {
      this.gpu = problem(thrown);
    }
  }

  /** Asks how large the model at `url` is, without fetching it; nobody is asked for one that is kept. */
  async ask(url: string): Promise<void> {
    this.offered = null;
    await downloads.look();
    if (downloads.of(url)?.sha256) return;
    try {
      const answer = await fetch(url, { method: 'HEAD' });
      const length = Number(answer.headers.get('content-length'));
      const page = answer.headers.get('content-type')?.startsWith('text/html') ?? false;
      // Any other refusal (405, 403, 503) may concern this question alone, and says nothing about the file.
      const none = answer.status === 404 || answer.status === 410 || (answer.ok && page);
      this.offered = none ? 'none' : answer.ok && length > 0 ? length : null;
    } catch {
      this.offered = null;
    }
  }

  /** Puts another model in the place of the one there is, if it turns out to be one. */
  async load(source: Source, label: string): Promise<void> {
    const engine = this.#engine;
    if (!engine || this.status === 'loading') return this.#refuse(source, label);
    const stop = new AbortController();
    this.#stop = stop;
    this.#again = () => void this.load(source, label);
    this.problem = null;
    this.notice = null;
    this.status = 'loading';
    try {
      if (typeof source === 'string') allowed(source);
      const model = await this.#read(engine, source, stop.signal);
      this.#drop();
      this.model = model;
      this.source = source;
      this.label = label;
      this.status = 'ready';
    } catch (thrown) {
      this.status = this.model ? 'ready' : 'empty';
      if (codeOf(thrown) === 'aborted') return;
      await this.fail(thrown);
    } finally {
      this.waiting = null;
      void downloads.look();
    }
  }

  async #read(engine: Engine, source: Source, signal: AbortSignal): Promise<Model> {
    const pace = new Pace();
    this.waiting = { stage: 'engine', loaded: 0, total: null, speed: 0 };
    const onProgress = (p: LoadProgress) => {
      this.waiting = { ...p, speed: pace.at(p.loaded) };
    };
    const onNotice = ({ code, message }: LoadNotice) => {
      const title = NOTICES[code];
      if (title) this.notice = { title: title(), detail: t(message) };
    };
    try {
      return await engine.load(source, { signal, onProgress, onNotice, cache: canKeep(source) });
    } catch (thrown) {
      // A model that works is given up only for a sound one that does not fit beside it.
      if (codeOf(thrown) !== 'memory' || !this.model) throw thrown;
      this.#drop();
      return this.#read(engine, source, signal);
    }
  }

  #refuse(source: Source, label: string): void {
    const why = this.#engine
      ? t('{file} was not loaded: another one is being read.', { file: label })
      : t('{file} was not loaded: the engine is not running.', { file: label });
    this.problem = problem(new AttnscopeError('state', why));
    if (this.#engine) this.#again = () => void this.load(source, label);
  }

  #drop(): void {
    void this.model?.close().catch(() => undefined);
    this.model = null;
  }

  cancel(): void {
    this.#stop?.abort();
  }

  retry(): void {
    this.#again?.();
  }

  /** Shows a failure; after one that leaves the engine unusable, starts a new one. */
  async fail(thrown: unknown): Promise<void> {
    const shown = problem(thrown);
    const again = this.#again;
    if (FATAL.has(shown.code)) {
      this.model = null;
      await this.#engine?.close().catch(() => undefined);
      await this.start();
      this.#again = again;
    }
    this.problem = shown;
  }
}

/** A browser that keeps nothing at all loses nothing by it. */
const NOTICES: Partial<Record<LoadNotice['code'], () => string>> = {
  cache_full: () => t('The model runs from memory'),
  cache_busy: () => t('The model runs from memory'),
  cache_damaged: () => t('The model had to be downloaded again'),
};

/** Only what has an address can be found again. */
export function canKeep(source: Source): source is string {
  return typeof source === 'string';
}

/** Whether an address is of this site. */
export function isHere(url: string): boolean {
  return URL.canParse(url, location.href) && new URL(url, location.href).origin === location.origin;
}

/** Throws `network` for an address that the page's own policy would refuse without a reason. */
function allowed(url: string): void {
  if (isHere(url) || /^https:/i.test(url.trim())) return;
  throw new AttnscopeError('network', t('Of other sites, only addresses that begin with https: can be fetched.'));
}

/** Speed over the last three seconds. */
class Pace {
  #marks: { time: number; bytes: number }[] = [];

  at(bytes: number): number {
    const time = performance.now();
    this.#marks.push({ time, bytes });
    while (this.#marks.length > 2 && time - this.#marks[0].time > 3000) this.#marks.shift();
    const first = this.#marks[0];
    return time > first.time ? ((bytes - first.bytes) / (time - first.time)) * 1000 : 0;
  }
}

export const loader = new Loader();
