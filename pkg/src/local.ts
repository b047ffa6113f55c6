import { type Border, openBorder } from './engine.js';
import { AttnscopeError, throwIfAborted, toError } from './errors.js';
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

  async load(source: Api.Source, options: Api.ReadOptions = {}): Promise<Api.Model> {
    throwIfAborted(options.signal);
    return this.loadFrom(await openSource(source, options.signal), options);
  }

  /** As `load`, for bytes that are already on their way. */
  async loadFrom(incoming: Incoming, options: Api.ReadOptions = {}): Promise<Api.Model> {
    const model = new LocalModel(await readModel(this.#border, incoming, options), this.#border);
    this.#models.add(model);
    return model;
  }

  async close(): Promise<void> {
    for (const model of this.#models) await model.close();
    this.#models.clear();
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
  ) {
    this.#wasm = wasm;
    this.methods = border.methods();
    this.info = wasm.info();
  }

  async encode(text: string, options: { parseSpecial?: boolean } = {}): Promise<Uint32Array> {
    const special = options.parseSpecial ?? false;
    return attempt(() => live(this.#wasm).encode(text, special, special));
  }

  async decode(ids: Uint32Array | readonly number[]): Promise<string> {
    return attempt(() => live(this.#wasm).decode(Uint32Array.from(ids)));
  }

  async chat(messages: readonly Api.ChatMessage[]): Promise<string> {
    return attempt(() => live(this.#wasm).chat([...messages]));
  }

  async session(options: Api.SessionOptions): Promise<Api.Session> {
    const session = new LocalSession(
      attempt(() => live(this.#wasm).session(options as WasmSessionOptions)),
      options,
      (prompt) => this.#tokens(prompt),
      this.border.memoryBytes,
    );
    this.#sessions.add(session);
    return session;
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) await session.close();
    this.#sessions.clear();
    this.#wasm?.free();
    this.#wasm = null;
  }

  async #tokens(prompt: Api.Prompt): Promise<Uint32Array> {
    if (typeof prompt === 'string') return attempt(() => live(this.#wasm).encode(prompt, false, true));
    if (prompt instanceof Uint32Array) return prompt;
    // An empty list is no prompt in either form; the engine says so.
    if (prompt.every((part) => typeof part === 'number')) return Uint32Array.from(prompt as readonly number[]);
    return this.encode(await this.chat(prompt as readonly Api.ChatMessage[]), { parseSpecial: true });
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
  ) {
    this.#wasm = wasm;
  }

  async *generate(prompt: Api.Prompt, options: Api.GenerateOptions = {}): Api.Steps {
    const { signal, trace, onProgress, maxTokens = 64 } = options;
    if (this.#busy) throw new AttnscopeError('state', 'This session is running; one run at a time.');
    this.#busy = true;
    try {
      throwIfAborted(signal);
      const ids = await this.tokens(prompt);
      attempt(() => live(this.#wasm).start(ids, maxTokens, trace ?? 'totals'));
      let prefill = true;
      const report = throttle(100, () => {
        if (prefill) onProgress?.({ ...live(this.#wasm).progress(), trace: this.#records(trace) });
      });
      report(true);
      while (await this.#work(signal, report)) {
        prefill = false;
        const step = attempt((): Api.Step => ({ ...live(this.#wasm).step(), trace: this.#records(trace) }));
        const choice = yield step;
        if (choice !== undefined) attempt(() => live(this.#wasm).choose(choice));
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
      attempt(report);
      await breathe();
    }
  }

  #records(trace: Api.TraceLevel | undefined): Uint8Array | null {
    // Taken also when nobody wants it, so that the engine does not keep it.
    const block = live(this.#wasm).takeTrace();
    return trace === undefined ? null : block;
  }
}

/** Runs a call of the engine with its failures in the form of this package. */
function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw toError(thrown);
  }
}

function live<T>(handle: T | null): T {
  if (handle === null) throw new AttnscopeError('closed', 'This model or session was closed.');
  return handle;
}
