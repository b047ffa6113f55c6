import { generateOptions, messagesOf, promptOf, readOptions, textOf, tokenId, tokenIds } from './checks.js';
import { type Border, openBorder } from './engine.js';
import { AttnscopeError, attempt, throwIfAborted } from './errors.js';
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

export class LocalEngine implements Api.Engine {
  readonly methods: readonly Api.MethodInfo[];
  readonly #border: Border;
  readonly #models = new Set<LocalModel>();

  constructor(border: Border) {
    this.#border = border;
    this.methods = border.methods();
  }

  async load(source: Api.Source, options?: Api.ReadOptions): Promise<Api.Model> {
    const reading = readOptions(options);
    throwIfAborted(reading.signal);
    return this.loadFrom(await openSource(source, reading.signal), reading);
  }

  /** As `load`, for bytes that are already on their way. */
  async loadFrom(incoming: Incoming, options: Api.ReadOptions): Promise<Api.Model> {
    const wasm = await readModel(this.#border, incoming, options);
    const model = new LocalModel(wasm, this.#border, () => this.#models.delete(model));
    this.#models.add(model);
    return model;
  }

  async close(): Promise<void> {
    for (const model of [...this.#models]) await model.close();
  }
}

class LocalModel implements Api.Model {
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

  async session(options: Api.SessionOptions): Promise<Api.Session> {
    const session: LocalSession = new LocalSession(
      attempt(() => live(this.#wasm).session(options as WasmSessionOptions)),
      options,
      (prompt) => this.#tokens(prompt),
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

  async #tokens(given: Api.Prompt): Promise<Uint32Array> {
    const prompt = promptOf(given);
    if (typeof prompt === 'string') return this.encode(prompt, { begin: true });
    if (prompt instanceof Uint32Array) return prompt;
    return this.encode(await this.chat(prompt), { parseSpecial: true, begin: true });
  }
}

class LocalSession implements Api.Session {
  #wasm: WasmSession | null;
  #busy = false;

  constructor(
    wasm: WasmSession,
    readonly options: Api.SessionOptions,
    private readonly tokens: (prompt: Api.Prompt) => Promise<Uint32Array>,
    private readonly memoryBytes: () => number,
    private readonly forget: () => void,
  ) {
    this.#wasm = wasm;
  }

  async *generate(prompt: Api.Prompt, options?: Api.GenerateOptions): Api.Steps {
    const { signal, trace, onProgress, maxTokens } = generateOptions(options);
    if (this.#busy) throw new AttnscopeError('state', 'This session is running; one run at a time.');
    this.#busy = true;
    try {
      throwIfAborted(signal);
      const ids = await this.tokens(prompt);
      attempt(() => live(this.#wasm).start(ids, maxTokens, trace ?? 'totals'));
      let prefill = true;
      const report = throttle(100, () => {
        if (!prefill) return;
        const progress = attempt(() => ({ ...live(this.#wasm).progress(), trace: this.#records(trace) }));
        // Outside of `attempt`: what the callback throws is the caller's own and comes out unchanged.
        onProgress?.(progress);
      });
      report(true);
      while (await this.#work(signal, report)) {
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

  /** Advances in slices until a step is ready (true) or the run is over (false). */
  async #work(signal: AbortSignal | undefined, report: () => void): Promise<boolean> {
    for (;;) {
      throwIfAborted(signal);
      const until = performance.now() + SLICE_MS;
      do {
        const state = attempt(() => live(this.#wasm).advance());
        if (state === READY) return true;
        if (state === FINISHED) return false;
      } while (performance.now() < until);
      report();
      await breathe();
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
