import { generateOptions, messagesOf, promptOf, readOptions, textOf, tokenId, tokenIds } from './checks.js';
import { type Border, openBorder } from './engine.js';
import { AttnscopeError, attempt, throwIfAborted } from './errors.js';
import type { Place, Swap } from './protocol.js';
import { readModel } from './read.js';
import { breathe, SLICE_MS, throttle } from './slices.js';
import { type Incoming, openSource } from './source.js';
import type * as Api from './types.js';
import type {
  Model as WasmModel,
  Session as WasmSession,
  SessionOptions as WasmSessionOptions,
} from './wasm/attnscope.js';

/** The engine in this thread. The worker serves exactly this. */
export async function openLocal(wasm?: Api.EngineSource): Promise<LocalEngine> {
  const border = await openBorder(wasm);
  return new LocalEngine(border);
}

const READY = 1;
const FINISHED = 2;
const EXCHANGE = 3;

/** A prompt in tokens, and the positions where its rounds begin; none: it is one round. */
interface Tokens {
  ids: Uint32Array;
  rounds: Uint32Array;
}

export class LocalEngine implements Api.Engine {
  readonly methods: readonly Api.MethodInfo[];
  readonly #border: Border;
  readonly #models = new Set<LocalModel>();

  constructor(border: Border) {
    this.#border = border;
    this.methods = border.methods();
  }

  async load(source: Api.Source, options?: Api.ReadOptions): Promise<LocalModel> {
    const reading = readOptions(options);
    throwIfAborted(reading.signal);
    return this.loadFrom(await openSource(source, reading.signal), reading);
  }

  /** As `load`, for bytes that are already on their way. */
  async loadFrom(incoming: Incoming, options: Api.ReadOptions): Promise<LocalModel> {
    const wasm = await readModel(this.#border, incoming, options);
    const model: LocalModel = new LocalModel(wasm, this.#border, () => this.#models.delete(model));
    this.#models.add(model);
    return model;
  }

  async close(): Promise<void> {
    for (const model of [...this.#models]) await model.close();
  }
}

export class LocalModel implements Api.Model {
  readonly info: Api.ModelInfo;
  readonly methods: readonly Api.MethodInfo[];
  #wasm: WasmModel | null;
  readonly #sessions = new Set<LocalSession>();

  constructor(
    wasm: WasmModel,
    private readonly border: Border,
    private readonly forget: () => void,
  ) {
    this.#wasm = wasm;
    this.methods = border.methods();
    this.info = wasm.info();
  }

  async encode(text: string, { parseSpecial = false, begin = false }: Api.EncodeOptions = {}): Promise<Uint32Array> {
    return attempt(() => live(this.#wasm).encode(textOf(text), parseSpecial, begin));
  }

  async decode(ids: Uint32Array | readonly number[]): Promise<string> {
    return attempt(() => live(this.#wasm).decode(tokenIds(ids)));
  }

  async chat(messages: readonly Api.ChatMessage[]): Promise<string> {
    return attempt(() => live(this.#wasm).chat(messagesOf(messages)));
  }

  async advise(options: Api.AdviseOptions = {}): Promise<Api.AdviceList> {
    return attempt(() => live(this.#wasm).advise(options));
  }

  /** A session, or with `place` that of one host of several. */
  async session(options: Api.SessionOptions, place?: Place): Promise<LocalSession> {
    const open = (model: WasmModel, given: WasmSessionOptions) =>
      place ? model.host(given, place.number, place.hosts) : model.session(given);
    const session: LocalSession = new LocalSession(
      attempt(() => open(live(this.#wasm), options as WasmSessionOptions)),
      options,
      () => live(this.#wasm),
      this.border.memoryBytes,
      () => this.#sessions.delete(session),
    );
    this.#sessions.add(session);
    return session;
  }

  async close(): Promise<void> {
    this.forget();
    for (const session of [...this.#sessions]) await session.close();
    this.#wasm?.free();
    this.#wasm = null;
  }
}

export class LocalSession implements Api.Session {
  #wasm: WasmSession | null;
  #busy = false;

  constructor(
    wasm: WasmSession,
    readonly options: Api.SessionOptions,
    private readonly model: () => WasmModel,
    private readonly memoryBytes: () => number,
    private readonly forget: () => void,
  ) {
    this.#wasm = wasm;
  }

  generate(prompt: Api.Prompt, options?: Api.GenerateOptions): Api.Steps {
    return this.run(prompt, options);
  }

  /** As `generate`; with `swap`, on one host of several. */
  async *run(prompt: Api.Prompt, options?: Api.GenerateOptions, swap?: Swap): Api.Steps {
    const { signal, trace, onProgress, maxTokens, continue: goesOn } = generateOptions(options);
    if (this.#busy) throw new AttnscopeError('state', 'This session is running; one run at a time.');
    this.#busy = true;
    try {
      throwIfAborted(signal);
      attempt(() => {
        const session = live(this.#wasm);
        const { ids, rounds } = this.#tokens(promptOf(prompt), session, goesOn);
        if (goesOn) session.extend(ids, rounds, maxTokens, trace ?? 'totals');
        else session.start(ids, rounds, maxTokens, trace ?? 'totals');
      });
      let prefill = true;
      const report = throttle(100, () => {
        if (!prefill) return;
        const progress = attempt(() => ({ ...live(this.#wasm).progress(), trace: this.#records(trace) }));
        // Outside of `attempt`: what the callback throws is the caller's own and comes out unchanged.
        onProgress?.(progress);
      });
      report(true);
      while (await this.#work(signal, report, swap)) {
        prefill = false;
        const step = attempt((): Api.Step => ({ ...live(this.#wasm).step(), trace: this.#records(trace) }));
        const choice = yield step;
        if (choice !== undefined) attempt(() => live(this.#wasm).choose(tokenId(choice)));
        if (step.end !== null && (choice === undefined || step.end === 'length')) return;
      }
    } finally {
      this.#busy = false;
    }
  }

  async stats(): Promise<Api.Stats> {
    return attempt(() => ({ ...live(this.#wasm).stats(), wasmBytes: this.memoryBytes() }));
  }

  async close(): Promise<void> {
    this.forget();
    this.#wasm?.free();
    this.#wasm = null;
  }

  #tokens(prompt: ReturnType<typeof promptOf>, session: WasmSession, goesOn = false): Tokens {
    if (prompt instanceof Uint32Array) return { ids: prompt, rounds: new Uint32Array() };
    if (typeof prompt === 'string') {
      return { ids: this.model().encode(prompt, false, !goesOn), rounds: new Uint32Array() };
    }
    const { ids, rounds } = goesOn ? session.encodeTurn(prompt) : this.model().encodeChat(prompt);
    return { ids: Uint32Array.from(ids), rounds: Uint32Array.from(rounds) };
  }

  /** Advances in slices until a step is ready (true) or the run is over (false). */
  async #work(signal: AbortSignal | undefined, report: () => void, swap?: Swap): Promise<boolean> {
    let until = performance.now() + SLICE_MS;
    for (;;) {
      throwIfAborted(signal);
      let state = attempt(() => live(this.#wasm).advance());
      while (state === EXCHANGE && swap) {
        const partials = await swap(attempt(() => live(this.#wasm).partial()));
        state = attempt(() => live(this.#wasm).merge(partials));
        // Waiting has let messages in.
        until = performance.now() + SLICE_MS;
      }
      if (state === READY) return true;
      if (state === FINISHED) return false;
      if (performance.now() < until) continue;
      report();
      await breathe();
      until = performance.now() + SLICE_MS;
    }
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
