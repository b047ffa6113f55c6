import { Caller } from './caller.js';
import { bytesOf, generateOptions, readOptions, textOf, tokenId, tokenIds } from './checks.js';
import { AttnscopeError, noneBetween, throwIfAborted } from './errors.js';
import { messagesOf, promptOf } from './prompt.js';
import type { Files, Opened, Place, Port, RemoteSource, Swap } from './protocol.js';
import { absolute, type Incoming, openSource } from './source.js';
import type * as Api from './types.js';

/** What one who watches over several engines wants to know of each. */
export interface PortEvents {
  /** A message came. */
  heard(): void;
  /** The worker stopped; answers with the error of all that is asked of it. */
  stopped(why: string): AttnscopeError;
}

/** The engine behind a port, with the same interface as the one in this thread. */
export async function openRemote(
  port: Port,
  { wasm, projector }: Files,
  end: () => void,
  events?: PortEvents,
): Promise<RemoteEngine> {
  const caller = new Caller(port);
  if (events) port.addEventListener('message', events.heard);
  const fail = (event: Event) => {
    const why = 'message' in event && event.message ? ` (${String(event.message)})` : '';
    const alone = () => new AttnscopeError('worker', `The worker stopped${why}. Load the model again.`);
    caller.end(events ? events.stopped(why) : alone());
    end();
  };
  if (port instanceof EventTarget) {
    port.addEventListener('error', fail);
    port.addEventListener('messageerror', fail);
  }
  const source = wasm instanceof Response ? await wasm.arrayBuffer() : wasm;
  const plain = address(source);
  try {
    const { methods } = await caller.call('open', { wasm: plain, projector: address(projector) });
    return new RemoteEngine(caller, methods, end);
  } catch (thrown) {
    end();
    throw thrown;
  }
}

/** What a worker finds, wherever its own address is. */
function address<T>(source: T): T | string {
  return typeof source === 'string' || source instanceof URL ? absolute(source) : source;
}

export class RemoteEngine implements Api.Engine {
  constructor(
    private readonly caller: Caller,
    readonly methods: readonly Api.MethodInfo[],
    private readonly end: () => void,
  ) {}

  async load(source: Api.Source, options?: Api.ReadOptions): Promise<RemoteModel> {
    const { signal, onProgress, onNotice, ...rest } = readOptions(source, options);
    throwIfAborted(signal);
    const [remote, incoming] = await prepare(source, signal);
    const { model, info } = await this.caller.call(
      'load',
      { source: remote, options: rest },
      {
        signal,
        onProgress: (progress) => {
          if ('stage' in progress) onProgress?.(progress);
          else if ('code' in progress) onNotice?.(progress);
        },
        chunks: incoming?.chunks[Symbol.asyncIterator](),
      },
    );
    return new RemoteModel(this.caller, model, info, this.methods);
  }

  gpu(): Promise<Api.GpuInfo> {
    return this.caller.call('gpu', {});
  }

  async close(): Promise<void> {
    try {
      await this.caller.call('close', { kind: 'engine', handle: 0 });
    } finally {
      this.stop(new AttnscopeError('closed', 'The engine was closed.'));
    }
  }

  /** Ends the worker as it is; whatever waits or is asked from now on gets the error. */
  stop(error: AttnscopeError): void {
    this.caller.end(error);
    this.end();
  }
}

export class RemoteModel implements Api.Model {
  constructor(
    private readonly caller: Caller,
    private readonly handle: number,
    readonly info: Api.ModelInfo,
    readonly methods: readonly Api.MethodInfo[],
  ) {}

  async encode(text: string, { parseSpecial = false, begin = false }: Api.EncodeOptions = {}): Promise<Uint32Array> {
    return this.caller.call('encode', { model: this.handle, text: textOf(text), parseSpecial, begin });
  }

  async decode(ids: Uint32Array | readonly number[]): Promise<string> {
    return this.caller.call('decode', { model: this.handle, ids: tokenIds(ids) });
  }

  async prompt(prompt: Api.Prompt): Promise<Api.PromptTokens> {
    return this.caller.call('prompt', { model: this.handle, prompt: promptOf(prompt) });
  }

  async chat(messages: readonly Api.ChatMessage[]): Promise<string> {
    return this.caller.call('chat', { model: this.handle, messages: messagesOf(messages) });
  }

  async encodeTurn(messages: readonly Api.ChatMessage[], last: number): Promise<Uint32Array> {
    const input = { model: this.handle, messages: messagesOf(messages), last: tokenId(last) };
    return this.caller.call('encodeTurn', input);
  }

  async advise(options: Api.AdviseOptions = {}): Promise<Api.AdviceList> {
    return this.caller.call('advise', { model: this.handle, options });
  }

  /** A session, or with `place` that of one host of several. */
  async session(options: Api.SessionOptions, place?: Place): Promise<RemoteSession> {
    return this.#opened(await this.caller.call('session', { model: this.handle, options, place }));
  }

  async restore(bytes: ArrayBuffer | Uint8Array): Promise<RemoteSession> {
    return this.#opened(await this.caller.call('restore', { model: this.handle, bytes: bytesOf(bytes) }));
  }

  #opened({ session, options }: Opened): RemoteSession {
    return new RemoteSession(this.caller, session, options);
  }

  async close(): Promise<void> {
    await this.caller.call('close', { kind: 'model', handle: this.handle });
  }
}

export class RemoteSession implements Api.Session {
  constructor(
    private readonly caller: Caller,
    private readonly handle: number,
    readonly options: Api.SessionOptions,
  ) {}

  generate(prompt: Api.Prompt, options?: Api.GenerateOptions): Api.Steps {
    return this.run(prompt, options);
  }

  /** As `generate`; with `swap`, on one host of several. */
  async *run(given: Api.Prompt, options?: Api.GenerateOptions, swap?: Swap): Api.Steps {
    const { signal, onProgress, ...rest } = generateOptions(options);
    const prompt = promptOf(given);
    throwIfAborted(signal);
    const run = await this.caller.call('generate', {
      session: this.handle,
      prompt,
      options: { ...rest, reports: onProgress !== undefined },
    });
    try {
      let choice: number | undefined;
      for (;;) {
        const step = await this.caller.call(
          'next',
          { run, choice },
          { signal, onProgress: (progress) => onProgress?.(progress as Api.GenerateProgress), swap },
        );
        if (step === null) return;
        const next = yield step;
        choice = next === undefined ? undefined : tokenId(next);
      }
    } finally {
      // Also when the caller leaves the loop early. A worker that is gone has nothing left to end.
      await this.caller.call('return', { run }).catch(() => undefined);
    }
  }

  async divergence(from: Api.Session): Promise<number> {
    if (!(from instanceof RemoteSession) || from.caller !== this.caller) throw noneBetween();
    return this.caller.call('divergence', { session: this.handle, from: from.handle });
  }

  stats(): Promise<Api.Stats> {
    return this.caller.call('stats', { session: this.handle });
  }

  save(): Promise<ArrayBuffer> {
    return this.caller.call('save', { session: this.handle });
  }

  async close(): Promise<void> {
    await this.caller.call('close', { kind: 'session', handle: this.handle });
  }
}

async function prepare(source: Api.Source, signal?: AbortSignal): Promise<[RemoteSource, Incoming | null]> {
  if (typeof source === 'string' || source instanceof URL) return [{ kind: 'url', url: absolute(source) }, null];
  if (source instanceof Blob) return [{ kind: 'blob', blob: source }, null];
  const incoming = await openSource(source, signal);
  return [{ kind: 'chunks', total: incoming.total, stage: incoming.stage }, incoming];
}
