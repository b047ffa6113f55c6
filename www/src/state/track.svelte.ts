import type { GenerateProgress, MethodInfo, Session, Step, Steps } from 'attnscope';
import {
  type CacheView,
  type History,
  indexAt,
  madeAt,
  stepAt,
  type TraceToken,
  type TraceTrack,
  totalsOf,
  unionFacts,
  unionOf,
} from 'attnscope/trace';
import { frames, type Summary, summarise } from 'attnscope/view';
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
  /** Of several hosts, that of the last, which has the question and the answer; `totalsAt` has the sums. */
  readonly history: History;
  /** One for each host, where the text is spread; none otherwise. */
  readonly lanes: readonly History[];
  said: Said[] = [];
  /** What was said to it after its first answers: before which of its tokens, in which step of the run, and what. */
  readonly turns: { at: number; step: number; text: string }[] = [];
  /** By position: the token that stands there in this method's cache. */
  readonly ids: number[] = [];
  /** By step: bytes of keys and values stored, and rows read over positions. */
  readonly kvBytes: number[] = [];
  readonly readShare: number[] = [];
  /** By step: share of the tokens so far in which it agrees with the first method; null before there is one to compare. */
  readonly agreement: (number | null)[] = [];
  /**
   * By step: divergence of its next token's distribution from the first method's, in nats; null where nobody measured it, as
   * where texts differ.
   */
  readonly kl: (number | null)[] = [];
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

  /** Tokens that could be compared with the first method's, and those that are the same. */
  #judged = 0;
  #agreed = 0;
  #newest: Summary | null = null;
  /** The step that is shown when it is not the newest. */
  #past: Shown | null = null;
  /** What several hosts have together, and each of them. */
  #together: Shown | null = null;

  constructor(
    /** Of the registry, or as much of it as a file says. */
    readonly method: Pick<MethodInfo, 'name' | 'title' | 'params'>,
    /** As it ran. */
    readonly params: Values,
    readonly index: number,
    makeHistory: () => History,
    hosts = 1,
    /** What was asked for: without the model's own values, and before budgets were fitted to a memory. */
    readonly asked: Values = params,
  ) {
    this.lanes = hosts > 1 ? Array.from({ length: hosts }, makeHistory) : [];
    this.history = this.lanes.at(-1) ?? makeHistory();
  }

  /**
   * Takes what its histories have already, of which the prompt has the first ids. `first`: the first method, which it may
   * agree with; `same`: whether that one's tokens are its own too; `beginning`: how many tokens nobody proposed.
   */
  recall({ steps, turns = [] }: TraceTrack, first: Track | null, same: boolean, beginning = 0): void {
    let position = this.ids.length;
    for (const [at, { id, text, kl = null }] of steps.entries()) {
      const turn = turns[this.turns.length];
      if (turn?.at === at) {
        const { step, text, last, tokens } = turn;
        this.turns.push({ at, step, text });
        this.give([last, ...tokens.map(({ id }) => id)], position - 1);
        position += tokens.length;
      }
      const theirs = first?.madeAt(this.stepAt(at)) ?? -1;
      const other = first?.said[theirs]?.id;
      const agrees = at < beginning || other === undefined ? null : other === id;
      // Where the first one ended its text, each has its own; at the end of an earlier answer, `last` says it.
      const ended = first?.end === 'eos' && theirs === first.said.length - 1;
      this.ids[position] = same && !ended ? (other ?? id) : id;
      this.said.push({ id, text, position: position++, agrees });
      this.#count(at, agrees);
      this.kl[at] = kl;
    }
    if (steps.length > 0) this.#renew();
    this.ended = true;
    this.touch();
  }

  /** The cache in the step that is shown. */
  get view(): CacheView {
    return (this.#past ?? this.#together)?.view ?? this.history.view;
  }

  /** What it says after the tokens it had to begin with; null before that, and where there are none. */
  answer(beginning: number): string | null {
    const { text } = this.said[beginning] ?? {};
    return beginning === 0 || text === undefined ? null : text.trim();
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

  /** All there is of it: one for each host, where there are several. */
  get histories(): readonly History[] {
    return this.lanes.length > 0 ? this.lanes : [this.history];
  }

  /** Sums of a step of its own over all hosts. */
  totalsAt(at: number): CacheView['totals'] {
    return totalsOf(this.histories.map(({ steps }) => steps[at]));
  }

  /** Which of its own steps stands at a step of the run. */
  indexAt(step: number): number {
    return indexAt(this.#timed, step);
  }

  /** Which of its own steps it made in a step of the run; -1 for none. */
  madeAt(step: number): number {
    return madeAt(this.#timed, step);
  }

  /** The step of the run in which it made one of its own. */
  stepAt(at: number): number {
    return stepAt(this.#timed, at);
  }

  get #timed() {
    return { steps: this.said, turns: this.turns };
  }

  /** Shows a step of the run, or with null its newest, whichever that is. */
  async show(step: number | null): Promise<void> {
    const at = step === null ? -1 : this.indexAt(step);
    this.#past = at < 0 ? null : await this.#at(at);
    this.touch();
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

  /**
   * `id`: the token that stands at its position, which is another one where it was chosen. `forced`: that token where
   * nobody proposed it, which is then what is said.
   */
  take(step: Step, agrees: boolean | null, id = step.id, forced?: TraceToken): void {
    this.ids[step.position] = id;
    this.prefill = null;
    const parts = step.hosts ?? [step];
    for (const [i, lane] of (step.hosts ? this.lanes : [this.history]).entries()) {
      const { trace } = parts[i];
      if (trace) lane.add(trace);
      lane.close();
    }
    this.end = step.end;
    const { id: said, text } = forced ?? step;
    this.said.push({ id: said, text, position: step.position, agrees });
    this.#count(this.said.length - 1, agrees);
    this.#renew();
    this.touch();
  }

  /** Shows its newest step. */
  #renew(): void {
    const { view, steps } = this.history;
    const newest = steps.length - 1;
    const views = this.lanes.map(({ view }) => view);
    if (views.length > 0) this.#together = spread(this.lanes, newest, views);
    this.#newest = this.#together?.summary ?? summarise(view, steps[newest].facts);
  }

  /** Adds a step to the numbers. */
  #count(at: number, agrees: boolean | null): void {
    const { layers, queryHeads } = this.history.view.shape;
    const { kvBytes, readRows } = this.totalsAt(at);
    const length = Math.max(...this.histories.map(({ steps }) => steps[at].length));
    this.kvBytes.push(kvBytes);
    this.readShare.push(readRows / (layers * queryHeads * length));
    if (agrees !== null) this.#judged++;
    if (agrees) this.#agreed++;
    this.agreement.push(this.#judged > 0 ? this.#agreed / this.#judged : null);
    this.kl.push(null);
  }

  /** Measures how far its newest step is from that of the first method, before either goes on. */
  async compare(first: Track): Promise<void> {
    // Hosts have a model each, and what a GPU computed stays there.
    if (!this.session || !first.session || this.lanes.length > 0) return;
    this.kl[this.kl.length - 1] = await this.session.divergence(first.session).catch(() => null);
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
