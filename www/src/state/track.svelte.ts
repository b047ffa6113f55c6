import type { GenerateProgress, MethodInfo, Session, Step, Steps } from 'attnscope';
import { type CacheView, type History, type StepSummary, type TraceToken, unionFacts, unionOf } from 'attnscope/trace';
import { frames, type Summary, summarise } from 'attnscope/view';
import type { Spec } from './options.js';
import type { Values } from './params.js';
import type { Problem } from './problems.js';
import type { Speed } from './speeds.svelte.js';

/** One token of a method's text. */
export interface Said {
  id: number;
  text: string;
  position: number;
  /** Whether the first method says the same at this place; null for the first method itself. */
  agrees: boolean | null;
}

/** One method on the prompt, at work or recorded: its text, its numbers by step, and its cache as the trace tells it. */
export class Track {
  /** Of several hosts, that of the last, which has the question and the answer. */
  readonly history: History;
  /** One for each host, where the text is spread; none otherwise. */
  readonly lanes: readonly History[];
  said: Said[] = [];
  /** What was said to it after its first answers: before which of its tokens, and what. */
  readonly turns: { at: number; text: string }[] = [];
  /** By position: the token that stands there in this method's cache. */
  readonly ids: number[] = [];
  /** By step: bytes of keys and values stored, and rows read over positions. */
  readonly kvBytes: number[] = [];
  readonly readShare: number[] = [];
  /** By step: share of the tokens so far in which it agrees with the first method. */
  readonly agreement: number[] = [];
  /** How the text ended. */
  end: Step['end'] = null;

  steps: Steps | null = null;
  session: Session | null = null;

  prefill = $state.raw<{ done: number; total: number } | null>(null);
  problem = $state.raw<Problem | null>(null);
  ended = $state(false);
  allocated = $state(0);
  /** Measured with the engine to itself. */
  alone = $state.raw<Speed | null>(null);
  /** Rises once a frame while something changed; what is drawn from this object depends on it. */
  version = $state(0);

  #agreed = 0;
  #newest: Summary | null = null;
  /** The step that is shown when it is not the newest. */
  #past: Shown | null = null;
  /** What several hosts have together, and each of them. */
  #together: Shown | null = null;

  constructor(
    /** Of the registry, or as much of it as a file says. */
    readonly method: Pick<MethodInfo, 'name' | 'title' | 'params'>,
    readonly params: Values,
    readonly index: number,
    makeHistory: () => History,
    /** Several methods together, in the place of the one that `method` describes. */
    readonly spec: Spec | null = null,
    hosts = 1,
  ) {
    this.lanes = hosts > 1 ? Array.from({ length: hosts }, makeHistory) : [];
    this.history = this.lanes.at(-1) ?? makeHistory();
  }

  /**
   * Takes the steps that its history has already, of which the first stands at position `from`. `text` are the tokens that
   * its cache has, `lead` those of the first method, which it may agree with.
   */
  recall(
    steps: readonly TraceToken[],
    from: number,
    text: readonly TraceToken[],
    lead: readonly TraceToken[] | null,
  ): void {
    this.give(
      text.slice(0, steps.length).map(({ id }) => id),
      from,
    );
    for (const [i, { id, text }] of steps.entries()) {
      const agrees = lead?.[i] ? lead[i].id === id : null;
      this.said.push({ id, text, position: from + i, agrees });
      this.#count(this.history.steps[i], agrees);
    }
    this.#newest = summarise(this.history.view, this.history.steps.at(-1)?.facts);
    this.ended = true;
    this.touch();
  }

  /** The cache in the step that is shown. */
  get view(): CacheView {
    return (this.#past ?? this.#together)?.view ?? this.history.view;
  }

  /** The cache of each host, where there are several. */
  get hosts(): readonly CacheView[] {
    return (this.#past ?? this.#together)?.hosts ?? [];
  }

  /** Numbers of the step that is shown. */
  get summary(): Summary | null {
    return this.#past?.summary ?? this.#newest;
  }

  /** Totals of the step that is shown; null before the first. */
  get totals(): CacheView['totals'] | null {
    return this.said.length > 0 ? this.view.totals : null;
  }

  /** Shows a step, the last there is for one beyond it, or with null the newest, whichever that is. */
  async show(step: number | null): Promise<void> {
    const at = step === null ? -1 : Math.min(step, this.history.steps.length - 1);
    this.#past = at < 0 ? null : await this.#at(at);
    this.touch();
  }

  get shown(): boolean {
    return this.view.length > 0;
  }

  async #at(step: number): Promise<Shown> {
    if (this.lanes.length > 0)
      return spread(this.lanes, step, await Promise.all(this.lanes.map((lane) => lane.seek(step))));
    const view = await this.history.seek(step);
    return { view, summary: summarise(view, this.history.steps[step].facts), hosts: [] };
  }

  onProgress = ({ done, total, trace, host }: GenerateProgress): void => {
    if (total > 0) this.prefill = { done, total };
    if (trace) (host === undefined ? this.history : this.lanes[host]).add(trace);
    this.touch();
  };

  /** Ids that the method is given to read, from a position on. */
  give(ids: ArrayLike<number>, from: number): void {
    for (let i = 0; i < ids.length; i++) this.ids[from + i] = ids[i];
  }

  /** `id`: the token that stands at its position, which is another one where it was chosen. */
  take(step: Step, agrees: boolean | null, id = step.id): void {
    this.ids[step.position] = id;
    this.prefill = null;
    const parts = step.hosts ?? [step];
    for (const [i, lane] of (step.hosts ? this.lanes : [this.history]).entries()) {
      const { trace } = parts[i];
      if (trace) lane.add(trace);
      lane.close();
    }
    this.end = step.end;
    this.said.push({ id: step.id, text: step.text, position: step.position, agrees });
    const newest = this.history.steps.length - 1;
    if (step.hosts)
      this.#together = spread(
        this.lanes,
        newest,
        this.lanes.map(({ view }) => view),
      );
    this.#newest = this.#together?.summary ?? summarise(this.history.view, this.history.steps[newest].facts);
    this.#count(this.history.steps[newest], agrees, step);
    this.touch();
  }

  /** Adds a step to the numbers. Of several hosts, the sums are in `step` and in the summary. */
  #count({ length, totals }: StepSummary, agrees: boolean | null, step?: Step): void {
    const { layers, queryHeads } = this.history.view.shape;
    this.kvBytes.push(step?.hosts ? step.kvBytes : totals.kvBytes);
    this.readShare.push(
      step?.hosts ? (this.#newest?.readShare ?? 0) : totals.readRows / (layers * queryHeads * length),
    );
    this.#agreed += agrees === false ? 0 : 1;
    this.agreement.push(this.#agreed / this.said.length);
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
}

/** A step as it is shown. */
interface Shown {
  view: CacheView;
  summary: Summary | null;
  hosts: readonly CacheView[];
}

/** A step of several hosts as one. */
function spread(lanes: readonly History[], step: number, hosts: readonly CacheView[]): Shown {
  const view = unionOf(hosts);
  return { view, summary: summarise(view, unionFacts(lanes.map(({ steps }) => steps[step].facts))), hosts };
}
