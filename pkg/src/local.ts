import { Backends, measure } from './backend.js';
import { openKept } from './cache.js';
import { bytesOf, generateOptions, readOptions, textOf, tokenId, tokenIds } from './checks.js';
import { type Border, openBorder } from './engine.js';
import { AttnscopeError, attempt, noneBetween, throwIfAborted } from './errors.js';
import { fetchProjector, Pictures, type ReadProjector } from './projector.js';
import { messagesOf, type PlainPrompt, promptOf } from './prompt.js';
import type { Files, Place, Swap } from './protocol.js';
import { readModel } from './read.js';
import { breathe, patience, SLICE_MS, throttle } from './slices.js';
import { absolute, type Incoming, openSource } from './source.js';
import type * as Api from './types.js';
import type {
  Model as WasmModel,
  Session as WasmSession,
  SessionOptions as WasmSessionOptions,
  PromptTokens as WasmTokens,
} from './wasm/attnscope.js';

/** The engine in this thread. The worker serves exactly this. */
export async function openLocal({ wasm, projector }: Files = {}): Promise<LocalEngine> {
  const border = await openBorder(wasm);
  return new LocalEngine(border, fetchProjector(projector));
}

const READY = 1;
const FINISHED = 2;
const EXCHANGE = 3;
const WAITING = 4;

export class LocalEngine implements Api.Engine {
  readonly methods: readonly Api.MethodInfo[];
  readonly #border: Border;
  readonly #backends: Backends;
  readonly #pictures: Pictures;
  readonly #models = new Set<LocalModel>();

  constructor(border: Border, readProjector: ReadProjector) {
    this.#border = border;
    this.#backends = new Backends(border);
    this.#pictures = new Pictures(border, readProjector);
    this.methods = border.methods();
  }

  async load(source: Api.Source, options?: Api.ReadOptions): Promise<LocalModel> {
    const reading = readOptions(source, options);
    throwIfAborted(reading.signal);
    const incoming = reading.cache ? openKept(absolute(String(source)), reading) : openSource(source, reading.signal);
    return this.loadFrom(await incoming, reading);
  }

  /** As `load`, for bytes that are already on their way. */
  async loadFrom(incoming: Incoming, options: Api.ReadOptions): Promise<LocalModel> {
    const wasm = await readModel(this.#border, incoming, options);
    const model: LocalModel = new LocalModel(wasm, this.#border, this.#backends, this.#pictures, () =>
      this.#models.delete(model),
    );
    this.#models.add(model);
    return model;
  }

  gpu(): Promise<Api.GpuInfo> {
    return this.#backends.gpu();
  }

  async close(): Promise<void> {
    for (const model of [...this.#models]) await model.close();
  }
}

/** Of a prompt of ids alone. */
const NONE = { rounds: new Uint32Array(), pictures: new Uint32Array(), rows: new Float32Array() };

export class LocalModel implements Api.Model {
  readonly info: Api.ModelInfo;
  readonly methods: readonly Api.MethodInfo[];
  #wasm: WasmModel | null;
  readonly #sessions = new Set<LocalSession>();
  #fastest: Promise<'cpu' | 'gpu'> | undefined;

  constructor(
    wasm: WasmModel,
    private readonly border: Border,
    private readonly backends: Backends,
    private readonly pictures: Pictures,
    private readonly forget: () => void,
  ) {
    this.#wasm = wasm;
    this.methods = border.methods();
    this.info = wasm.info();
  }

  async encode(text: string, { parseSpecial = false, begin = false }: Api.EncodeOptions = {}): Promise<Uint32Array> {
    return (await this.#textTokens({ text: textOf(text), pictures: [] }, { parseSpecial, begin })).ids;
  }

  async prompt(prompt: Api.Prompt): Promise<Api.PromptTokens> {
    return this.tokens(promptOf(prompt), null);
  }

  /** A prompt in tokens, or with a session what it adds to that one's text. */
  async tokens(prompt: PlainPrompt, goesOn: WasmSession | null): Promise<Api.PromptTokens> {
    if (prompt instanceof Uint32Array) return { ...NONE, ids: prompt };
    if ('ids' in prompt) return prompt;
    if ('text' in prompt) return this.#textTokens(prompt, { parseSpecial: false, begin: !goesOn });
    const { messages } = prompt;
    return this.#illustrated(prompt.pictures, (rows) =>
      goesOn ? goesOn.encodeTurn(messages, rows) : live(this.#wasm).encodeChat(messages, rows),
    );
  }

  #textTokens({ text, pictures }: { text: string; pictures: Api.Pixels[] }, how: Required<Api.EncodeOptions>) {
    const { parseSpecial, begin } = how;
    return this.#illustrated(pictures, (rows) => live(this.#wasm).encode(text, parseSpecial, begin, rows));
  }

  async #illustrated(of: Api.Pixels[], encode: (rows: Float32Array) => WasmTokens): Promise<Api.PromptTokens> {
    const rows = await this.pictures.rows(of);
    const { ids, rounds, pictures } = attempt(() => encode(rows));
    return { ids: Uint32Array.from(ids), rounds: Uint32Array.from(rounds), pictures: Uint32Array.from(pictures), rows };
  }

  async decode(ids: Uint32Array | readonly number[]): Promise<string> {
    return attempt(() => live(this.#wasm).decode(tokenIds(ids)));
  }

  async chat(messages: readonly Api.ChatMessage[]): Promise<string> {
    return attempt(() => live(this.#wasm).chat(messagesOf(messages)));
  }

  async encodeTurn(messages: readonly Api.ChatMessage[], last: number): Promise<Uint32Array> {
    return attempt(() =>
      Uint32Array.from(live(this.#wasm).encodeTurn(messagesOf(messages), tokenId(last), NONE.rows).ids),
    );
  }

  async advise(options: Api.AdviseOptions = {}): Promise<Api.AdviceList> {
    return attempt(() => live(this.#wasm).advise(options));
  }

  /** A session, or with `place` that of one host of several. */
  async session(options: Api.SessionOptions, place?: Place): Promise<LocalSession> {
    if (place && options.backend === 'gpu') throw new AttnscopeError('unsupported', 'Hosts compute on the CPU.');
    const open = (backend: 'cpu' | 'gpu', fallback: string | null = null) => {
      const given = { ...options, backend } as WasmSessionOptions;
      const model = () => live(this.#wasm);
      const wasm = attempt(() => (place ? model().host(given, place.number, place.hosts) : model().session(given)));
      return this.#keep(wasm, backend, fallback, options.backend);
    };
    const choose = () => this.backends.choose(options.backend, () => this.#faster());
    const backend = place ? 'cpu' : await choose();
    try {
      return open(backend);
    } catch (thrown) {
      if (backend === 'cpu' || !(thrown instanceof AttnscopeError)) throw thrown;
      if (thrown.code === 'gpu') {
        // Lost since it was opened: once more, anew.
        this.backends.lost();
        return open(await choose());
      }
      if (options.backend !== 'auto' || !['memory', 'unsupported'].includes(thrown.code)) throw thrown;
      return open('cpu', thrown.message);
    }
  }

  async restore(bytes: ArrayBuffer | Uint8Array): Promise<LocalSession> {
    return this.#keep(
      attempt(() => live(this.#wasm).restore(bytesOf(bytes))),
      'cpu',
    );
  }

  /** A session of this model, with its options as it runs. `wanted`: what is to compute, where that was said. */
  #keep(
    wasm: WasmSession,
    backend: 'cpu' | 'gpu',
    fallback: string | null = null,
    wanted?: Api.SessionOptions['backend'],
  ): LocalSession {
    const settled = Object.entries({ ...wasm.settings(), backend: wanted ?? null }).filter(
      ([, value]) => value !== null,
    );
    const session: LocalSession = new LocalSession(
      wasm,
      Object.fromEntries(settled) as unknown as Api.SessionOptions,
      {
        backend,
        fallback,
        backends: this.backends,
        tokens: (prompt, goesOn) => this.tokens(prompt, goesOn),
        border: this.border,
      },
      () => this.#sessions.delete(session),
    );
    this.#sessions.add(session);
    return session;
  }

  #faster(): Promise<'cpu' | 'gpu'> {
    this.#fastest ??= measure((backend) => this.session({ method: 'full', backend, ignoreEos: true })).catch(
      (thrown: unknown) => {
        // A trial that failed says nothing: the next session asks again.
        this.#fastest = undefined;
        throw thrown;
      },
    );
    return this.#fastest;
  }

  async close(): Promise<void> {
    this.forget();
    for (const session of [...this.#sessions]) await session.close();
    this.#wasm?.free();
    this.#wasm = null;
  }
}

/** What a session has around it: what computes, why that is not what was asked for, and the model's prompts. */
interface Around {
  backend: 'cpu' | 'gpu';
  fallback: string | null;
  backends: Backends;
  tokens: (prompt: PlainPrompt, goesOn: WasmSession | null) => Promise<Api.PromptTokens>;
  border: Border;
}

export class LocalSession implements Api.Session {
  #wasm: WasmSession | null;
  #busy = false;
  #backend: 'cpu' | 'gpu';
  #fallback: string | null;

  constructor(
    wasm: WasmSession,
    readonly options: Api.SessionOptions,
    private readonly around: Around,
    private readonly forget: () => void,
  ) {
    this.#wasm = wasm;
    this.#backend = around.backend;
    this.#fallback = around.fallback;
  }

  async *generate(prompt: Api.Prompt, options?: Api.GenerateOptions): Api.Steps {
    yield* this.run(promptOf(prompt), options);
  }

  /** As `generate`, for a prompt that was checked; with `swap`, on one host of several. */
  async *run(prompt: PlainPrompt, options?: Api.GenerateOptions, swap?: Swap): Api.Steps {
    const { signal, trace, onProgress, maxTokens, continue: goesOn } = generateOptions(options);
    if (this.#busy) throw new AttnscopeError('state', 'This session is running; one run at a time.');
    this.#busy = true;
    try {
      throwIfAborted(signal);
      const tokens = await this.around.tokens(prompt, goesOn ? live(this.#wasm) : null);
      throwIfAborted(signal);
      const { ids, rounds, pictures, rows } = tokens;
      const begin = () => {
        const session = live(this.#wasm);
        const call = goesOn ? session.extend : session.start;
        call.call(session, ids, rounds, pictures, rows, maxTokens, trace ?? 'totals');
      };
      if (!this.#onGpu(begin)) attempt(begin);
      let prefill = true;
      const report = throttle(100, () => {
        // What nobody hears of stays for the step.
        if (!prefill || !onProgress) return;
        const progress = attempt(() => ({ ...live(this.#wasm).progress(), trace: this.#records(trace) }));
        // Outside of `attempt`: what the callback throws is the caller's own and comes out unchanged.
        onProgress(progress);
      });
      report(true);
      while (await this.#work(signal, report, swap)) {
        prefill = false;
        const step = attempt(
          (): Api.Step => ({ ...live(this.#wasm).step(), trace: this.#records(trace), backend: this.#backend }),
        );
        const choice = yield step;
        if (choice !== undefined) attempt(() => live(this.#wasm).choose(tokenId(choice)));
        if (step.end !== null && (choice === undefined || step.end === 'length')) return;
      }
    } finally {
      this.#busy = false;
    }
  }

  async divergence(from: Api.Session): Promise<number> {
    if (!(from instanceof LocalSession) || this.#backend === 'gpu' || from.#backend === 'gpu') throw noneBetween();
    return attempt(() => live(this.#wasm).divergence(live(from.#wasm)));
  }

  async stats(): Promise<Api.Stats> {
    const wasmBytes = this.around.border.memoryBytes();
    const more = { wasmBytes, backend: this.#backend, fallback: this.#fallback };
    return attempt(() => ({ ...live(this.#wasm).stats(), ...more }));
  }

  async save(): Promise<ArrayBuffer> {
    return attempt(() => live(this.#wasm).save().buffer as ArrayBuffer);
  }

  async close(): Promise<void> {
    this.forget();
    this.#wasm?.free();
    this.#wasm = null;
  }

  /** Advances in slices until a step is ready (true) or the run is over (false). */
  async #work(signal: AbortSignal | undefined, report: () => void, swap?: Swap): Promise<boolean> {
    let until = performance.now() + SLICE_MS;
    const wait = patience();
    for (;;) {
      throwIfAborted(signal);
      let state = this.#advance();
      while (state === EXCHANGE && swap) {
        const partials = await swap(attempt(() => live(this.#wasm).partial()));
        state = attempt(() => live(this.#wasm).merge(partials));
        // Waiting has let messages in.
        until = performance.now() + SLICE_MS;
      }
      if (state === READY) return true;
      if (state === FINISHED) return false;
      if (state !== WAITING && performance.now() < until) continue;
      report();
      await (state === WAITING ? wait() : breathe());
      until = performance.now() + SLICE_MS;
    }
  }

  /** A piece of work; where the GPU fails, the text goes on on the CPU, with all it has. */
  #advance(): number {
    let state = 0;
    this.#onGpu(() => {
      state = live(this.#wasm).advance();
    });
    return state;
  }

  /** Does some work; false when the GPU failed at it and the session has left it for the CPU. */
  #onGpu(work: () => void): boolean {
    try {
      attempt(work);
      return true;
    } catch (thrown) {
      if (!(thrown instanceof AttnscopeError) || !this.#mayLeaveGpu(thrown.code)) throw thrown;
      attempt(() => live(this.#wasm).moveToCpu());
      this.#fallback = thrown.message;
      this.#backend = 'cpu';
      if (thrown.code === 'gpu') this.around.backends.lost();
      return false;
    }
  }

  /** Lost, or too small; and what it cannot do yet, unless it was asked for by name. */
  #mayLeaveGpu(code: string): boolean {
    const failures = ['gpu', 'memory', ...(this.options.backend === 'auto' ? ['unsupported'] : [])];
    return this.#backend === 'gpu' && failures.includes(code);
  }

  #records(trace: Api.TraceLevel | undefined): Uint8Array | null {
    // Taken also when nobody wants it, so that the engine does not keep it.
    const block = live(this.#wasm).takeTrace();
    return trace === undefined ? null : block;
  }
}

function live<T>(handle: T | null): T {
  if (handle === null) throw new AttnscopeError('closed', 'This model or session was closed.');
  return handle;
}
