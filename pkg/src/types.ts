import type {
  AdviceList,
  AdviseOptions,
  ChatMessage,
  GpuInfo,
  MethodInfo,
  ModelInfo,
  SessionStats,
  StepInfo,
  Value,
  SessionOptions as WasmSessionOptions,
} from './wasm/attnscope.js';

export type {
  Account,
  Advice,
  AdviceList,
  AdviseOptions,
  ChatMessage,
  GpuInfo,
  Limits,
  Line,
  MethodInfo,
  MethodPart,
  MethodRoles,
  ModelInfo,
  ParamInfo,
  StepInfo,
  Term,
  Value as ParamValue,
} from './wasm/attnscope.js';

/** Where the weights come from. A string is a URL (in Node also a path). */
export type Source = string | URL | Request | Response | Blob | ArrayBuffer | Uint8Array | ReadableStream<Uint8Array>;

/** The file of the projector that makes rows of pictures; by default the one beside this module, read when a picture comes. */
export type ProjectorSource = string | URL | ArrayBuffer | Uint8Array;

/** Where the engine comes from; by default the file beside this module. */
export type EngineSource = string | URL | Response | BufferSource | WebAssembly.Module;

/**
 * What `load` is doing: starting the `engine`; reading from the network (`download`), from what the caller gave (`read`) or
 * from the cache, which is checked first (`verify`, then `load`). `total` is null when nobody said how much there is. Bytes,
 * except in `engine`.
 */
export interface LoadProgress {
  stage: 'engine' | 'download' | 'read' | 'verify' | 'load' | 'ready';
  loaded: number;
  total: number | null;
}

/** Memory in bytes: what the session stores, what is set aside for it, and what the whole engine occupies. */
export interface Stats extends SessionStats {
  wasmBytes: number;
  /** What computes now. */
  backend: 'cpu' | 'gpu';
  /** Why the session left the GPU, if it did. */
  fallback: string | null;
}

export interface OpenOptions {
  /** Run in a worker: yes / no, one you made, or how to make one. Default: yes where `Worker` exists, no in Node. */
  worker?: boolean | Worker | (() => Worker);
  wasm?: EngineSource;
  projector?: ProjectorSource;
  /**
   * Workers over which Star Attention spreads a text, each with the weights and its share of the KV cache. Default: none
   * of this; sessions of a model with hosts take no other method.
   */
  hosts?: number;
  /** Milliseconds that a host may be silent while it has work to do. Default 30,000. */
  hostTimeout?: number;
}

/** Why a model that was to be kept is not, or not yet; it loads all the same. */
export interface LoadNotice {
  code: 'cache_unavailable' | 'cache_busy' | 'cache_full' | 'cache_damaged';
  message: string;
}

export interface ReadOptions {
  signal?: AbortSignal;
  onProgress?: (progress: LoadProgress) => void;
  /**
   * Keep the file in this browser (see `models`) and read it from there; only for an address. An interrupted download
   * goes on where it stopped. Its name is the address or one of yours. Default: not kept.
   */
  cache?: boolean | { name: string };
  /** What the SHA-256 of the file must be, in hexadecimal; another file is refused with `checksum`. */
  sha256?: string;
  onNotice?: (notice: LoadNotice) => void;
}

export type LoadOptions = OpenOptions & ReadOptions;

/** How a session runs: a method, its parameters by name, and how tokens are chosen. */
export interface SessionOptions extends Omit<WasmSessionOptions, 'params' | 'backend'> {
  params?: Record<string, Value>;
  /**
   * What computes: WebAssembly on the CPU (default), WebGPU, or the faster of both, which is measured once a model. A GPU
   * that fails in the middle of a text is left for the CPU and no token is lost; `stats()` says so.
   */
  backend?: 'cpu' | 'gpu' | 'auto';
}

/**
 * `totals`: counts and bytes. `sets`: and every set of positions read, stored and evicted. `weights`: and how much of its
 * attention each head's newest query gave to each position.
 */
export type TraceLevel = 'totals' | 'sets' | 'weights';

/** Prefill so far, in row-layers. `trace` holds the records since the last report, when a trace was asked for. */
export interface GenerateProgress {
  done: number;
  total: number;
  trace: Uint8Array | null;
  /** With several hosts: the one that `trace` is of. `done` and `total` are sums. */
  host?: number;
}

export interface GenerateOptions {
  /** Default 64. */
  maxTokens?: number;
  signal?: AbortSignal;
  /** Default: no trace blocks. */
  trace?: TraceLevel;
  /**
   * Called during prefill, some ten times a second. With a trace, records are handed out here as they come and each is
   * handed out once, so feed both these blocks and the blocks of the steps to a `CacheView`.
   */
  onProgress?: (progress: GenerateProgress) => void;
  /**
   * Go on with the text and its cache, as further turns of a conversation do. Text and ids are appended as they are;
   * messages follow the answer as the chat template puts it; with an empty prompt the answer goes on where it ended or was
   * left. Default: the prompt begins a new text.
   */
  continue?: boolean;
}

/** One generated token. `trace` is a block of 16-byte records of its own (see `attnscope/trace`), safe to transfer. */
export interface Step extends StepInfo {
  trace: Uint8Array | null;
  /** What computed it. */
  backend: 'cpu' | 'gpu';
  /** With several hosts: the step of each, with its own counts and trace. Those above are sums, and `trace` is null. */
  hosts?: readonly Step[];
  /** With several hosts: bytes they sent for this step, each partial counted once. */
  exchangedBytes?: number;
}

/** A picture by its pixels: a shade each, or red, green, blue and alpha; 0 to 255. */
export interface Pixels {
  data: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
}

/**
 * A drawing of a digit. It becomes 16 rows of the prompt, by a projector that was trained for SmolLM2-135M (see its card,
 * `data/picture_projector.md` of the project). What is drawn is found on any paper, light, dark or clear.
 */
export type Picture = Pixels | ImageData | ImageBitmap | HTMLCanvasElement | OffscreenCanvas;

/** Text and pictures in their order. */
export type Part = string | Picture;

/** A message, with pictures in it if it has any. */
export interface Message {
  role: string;
  content: string | readonly Part[];
}

/** A prompt in tokens, from `model.prompt`. */
export interface PromptTokens {
  /** Token ids; 4294967295 where a row of a picture stands. */
  ids: Uint32Array;
  /** Positions where a round begins; none: it is one round. */
  rounds: Uint32Array;
  /** Positions where a picture begins. */
  pictures: Uint32Array;
  /** Rows of the pictures, one after the other. */
  rows: Float32Array;
}

/** Text, token ids, messages to which the chat template of the model is applied, text and pictures, or what `model.prompt` gave. */
export type Prompt = string | Uint32Array | readonly number[] | readonly Message[] | readonly Part[] | PromptTokens;

/**
 * The steps of one run. `next(id)` takes the token `id` in place of the one that the last step proposed (teacher
 * forcing) and goes on even where that step had ended the text.
 */
export type Steps = AsyncGenerator<Step, void, number | undefined>;

/** A method with its parameters and its own KV cache. */
export interface Session {
  /**
   * As it runs: fitted to memory, with the model's own values. What it does not name is the registry's; its method has its
   * parameters in it.
   */
  readonly options: SessionOptions;
  /** Runs a prompt, from an empty cache or going on with the text. One run at a time; sessions of one model may run side by side. */
  generate(prompt: Prompt, options?: GenerateOptions): Steps;
  stats(): Promise<Stats>;
  /**
   * Kullback-Leibler divergence of its next token's distribution from that of another session of the model, in nats, right
   * after a step of each on the same text: 0 where both are the same. `unsupported` on a GPU and on several hosts.
   */
  divergence(from: Session): Promise<number>;
  /**
   * The text and its cache as bytes, for `model.restore`. Between two tokens only (`state`), so not before the first one,
   * and on the CPU without hosts (`unsupported`).
   */
  save(): Promise<ArrayBuffer>;
  close(): Promise<void>;
}

export interface EncodeOptions {
  /** Markers such as `<|im_start|>` become their token. */
  parseSpecial?: boolean;
  /** The begin-of-text token is put in front where the model wants it, as `generate` does with a prompt of text. */
  begin?: boolean;
}

export interface Model {
  readonly info: ModelInfo;
  readonly methods: readonly MethodInfo[];
  /** Text to token ids. */
  encode(text: string, options?: EncodeOptions): Promise<Uint32Array>;
  decode(ids: Uint32Array | readonly number[]): Promise<string>;
  /** What `generate` would begin a text with; to look at, or to give to several sessions. */
  prompt(prompt: Prompt): Promise<PromptTokens>;
  /** Messages as text, by the chat template of the model. */
  chat(messages: readonly ChatMessage[]): Promise<string>;
  /**
   * The ids of what further messages add to a conversation whose newest token is `last`: the end of the answer, unless that
   * is it, and the messages, up to where the next answer begins. `generate` takes them with `continue`.
   */
  encodeTurn(messages: readonly ChatMessage[], last: number): Promise<Uint32Array>;
  /** Methods and budgets that fit a text into memory, with the arithmetic. */
  advise(options?: AdviseOptions): Promise<AdviceList>;
  session(options: SessionOptions): Promise<Session>;
  /**
   * The session that was saved, on the CPU: `generate` with `continue` goes on with the tokens and the trace that would have
   * followed then, and no prompt is read again. Fails with `saved` for damaged bytes and those of another model file.
   */
  restore(bytes: ArrayBuffer | Uint8Array): Promise<Session>;
  /** Frees the model and its sessions. */
  close(): Promise<void>;
}

/** The engine without a model: knows the methods and reads models. */
export interface Engine {
  readonly methods: readonly MethodInfo[];
  load(source: Source, options?: ReadOptions): Promise<Model>;
  /** Opens the GPU and tests it beside the CPU: what it is. Fails with `gpu` where there is none that can be used. */
  gpu(): Promise<GpuInfo>;
  /** Frees everything; ends the worker if this package made it. */
  close(): Promise<void>;
}
