import type { GenerateProgress, MethodInfo, ModelInfo, Session, Step, Steps } from 'attnscope';
import { CacheView } from 'attnscope/trace';
import { frames, type Summary, summarise } from 'attnscope/view';
import type { Values } from './params.js';
import type { Problem } from './problems.js';

/** One token of a method's text. */
export interface Said {
  id: number;
  text: string;
  /** Whether the first method says the same at this place; null for the first method itself. */
  agrees: boolean | null;
}

/** One method at work on the prompt: its text, its numbers by step, and its cache as the trace tells it. */
export class Track {
  readonly view: CacheView;
  said: Said[] = [];
  /** By step: bytes of keys and values stored, and rows read over positions. */
  readonly kvBytes: number[] = [];
  readonly readShare: number[] = [];
  last: Step | null = null;
  summary: Summary | null = null;
  /** All trace blocks, kept only where a test asks for them. */
  readonly blocks: Uint8Array[] | null;

  steps: Steps | null = null;
  session: Session | null = null;

  prefill = $state.raw<{ done: number; total: number } | null>(null);
  problem = $state.raw<Problem | null>(null);
  ended = $state(false);
  allocated = $state(0);
  /** Rises once a frame while something changed; what is drawn from this object depends on it. */
  version = $state(0);

  constructor(
    readonly method: MethodInfo,
    readonly params: Values,
    readonly index: number,
    info: ModelInfo,
    keep: boolean,
  ) {
    this.view = new CacheView(info);
    this.blocks = keep ? [] : null;
  }

  get shown(): boolean {
    return this.view.length > 0;
  }

  onProgress = ({ done, total, trace }: GenerateProgress): void => {
    if (total > 0) this.prefill = { done, total };
    if (trace) this.#take(trace);
    this.touch();
  };

  take(step: Step, agrees: boolean | null): void {
    this.prefill = null;
    if (step.trace) this.#take(step.trace);
    this.last = step;
    this.said.push({ id: step.id, text: step.text, agrees });
    this.summary = summarise(this.view);
    this.kvBytes.push(step.kvBytes);
    this.readShare.push(this.summary?.readShare ?? 0);
    this.touch();
  }

  touch(): void {
    frames.request(this, () => {
      this.version++;
    });
  }

  async close(): Promise<void> {
    await this.session?.close().catch(() => undefined);
    this.session = null;
    this.steps = null;
  }

  #take(block: Uint8Array): void {
    this.view.apply(block);
    this.blocks?.push(block);
  }
}
