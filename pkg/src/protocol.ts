import type { PlainError } from './errors.js';
import type { PlainPrompt } from './prompt.js';
import type { Incoming } from './source.js';
import type * as Api from './types.js';

/**
 * What crosses the worker border. A call has an id and gets one answer; on the way it may report progress, be aborted,
 * ask for chunks of a file, and give what one host of several found for what all did. Trace blocks, chunks and partials are
 * transferred, never cloned.
 */
export interface Calls {
  open: {
    in: { wasm?: Exclude<Api.EngineSource, Response> } & Pick<Files, 'projector'>;
    out: { methods: readonly Api.MethodInfo[] };
  };
  gpu: { in: Record<string, never>; out: Api.GpuInfo };
  load: {
    in: { source: RemoteSource; options: Pick<Api.ReadOptions, 'cache' | 'sha256'> };
    out: { model: number; info: Api.ModelInfo };
  };
  encode: { in: { model: number; text: string; parseSpecial: boolean; begin: boolean }; out: Uint32Array };
  prompt: { in: { model: number; prompt: PlainPrompt }; out: Api.PromptTokens };
  decode: { in: { model: number; ids: Uint32Array }; out: string };
  chat: { in: { model: number; messages: Api.ChatMessage[] }; out: string };
  encodeTurn: { in: { model: number; messages: Api.ChatMessage[]; last: number }; out: Uint32Array };
  advise: { in: { model: number; options: Api.AdviseOptions }; out: Api.AdviceList };
  session: { in: { model: number; options: Api.SessionOptions; place?: Place }; out: Opened };
  restore: { in: { model: number; bytes: Uint8Array }; out: Opened };
  generate: { in: { session: number; prompt: PlainPrompt; options: RunOptions }; out: number };
  next: { in: { run: number; choice: number | undefined }; out: Api.Step | null };
  return: { in: { run: number }; out: null };
  stats: { in: { session: number }; out: Api.Stats };
  divergence: { in: { session: number; from: number }; out: number };
  save: { in: { session: number }; out: ArrayBuffer };
  close: { in: { kind: 'engine' | 'model' | 'session'; handle: number }; out: null };
}

export interface RunOptions extends Pick<Api.GenerateOptions, 'maxTokens' | 'trace' | 'continue'> {
  /** Whether the caller wants to hear of progress. */
  reports: boolean;
}

/** A session, and its options as it runs. */
export interface Opened {
  session: number;
  options: Api.SessionOptions;
}

/** What an engine is made of. */
export type Files = Pick<Api.OpenOptions, 'wasm' | 'projector'>;

/** Which host of several. */
export interface Place {
  number: number;
  hosts: number;
}

/** Takes what one host's attention found (outputs, then log-sum-exps) and gives what all did, in their order. */
export type Swap = (partial: Float32Array) => Promise<Float32Array[]>;

/** A URL or a Blob is opened by the worker; everything else is read by the caller and sent chunk by chunk. */
export type RemoteSource =
  | { kind: 'url'; url: string }
  | { kind: 'blob'; blob: Blob }
  | { kind: 'chunks'; total: number | null; stage: Incoming['stage'] };

export type Progress = Api.LoadProgress | Api.LoadNotice | Api.GenerateProgress;

export type ToWorker =
  | { [K in keyof Calls]: { id: number; call: K; input: Calls[K]['in'] } }[keyof Calls]
  | { id: number; abort: true }
  | { id: number; chunk: Uint8Array | null }
  | { id: number; failed: PlainError }
  | { id: number; partials: Float32Array[] };

export type FromWorker =
  | { id: number; value: unknown }
  | { id: number; error: PlainError }
  | { id: number; progress: Progress }
  | { id: number; wants: true }
  | { id: number; partial: Float32Array };

/** What a Worker, a worker's own scope and a MessagePort have in common. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
  removeEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}

/** The buffer of a trace block or of a saved session, to transfer it. */
export function buffersOf(value: unknown): Transferable[] {
  if (value instanceof ArrayBuffer) return [value];
  const { trace } = Object(value) as { trace?: unknown };
  return trace instanceof Uint8Array ? [trace.buffer as ArrayBuffer] : [];
}
