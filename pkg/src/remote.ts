import { Caller } from './caller.js';
import { generateOptions, messagesOf, promptOf, readOptions, textOf, tokenId, tokenIds } from './checks.js';
import { AttnscopeError, throwIfAborted } from './errors.js';
import type { Port, RemoteSource } from './protocol.js';
import { type Incoming, openSource } from './source.js';
import type * as Api from './types.js';

/** The engine behind a port, with the same interface as the one in this thread. */
export async function openRemote(port: Port, wasm: Api.EngineSource | undefined, end: () => void): Promise<Api.Engine> {
  const caller = new Caller(port);
  const fail = (event: Event) => {
    const why = 'message' in event && event.message ? ` (${String(event.message)})` : '';
    caller.end(new AttnscopeError('worker', `The worker stopped${why}. Load the model again.`));
    end();
  };
  if (port instanceof EventTarget) {
    port.addEventListener('error', fail);
    port.addEventListener('messageerror', fail);
  }
  const source = wasm instanceof Response ? await wasm.arrayBuffer() : wasm;
  const plain = typeof source === 'string' || source instanceof URL ? absolute(source) : source;
  try {
    const { methods } = await caller.call('open', { wasm: plain });
    return new RemoteEngine(caller, methods, end);
  } catch (thrown) {
    end();
    throw thrown;
  }
}

class RemoteEngine implements Api.Engine {
  constructor(
    private readonly caller: Caller,
    readonly methods: readonly Api.MethodInfo[],
    private readonly end: () => void,
  ) {}

  async load(source: Api.Source, options?: Api.ReadOptions): Promise<Api.Model> {
    const { signal, onProgress } = readOptions(options);
    throwIfAborted(signal);
    const [remote, incoming] = await prepare(source, signal);
    const { model, info } = await this.caller.call(
      'load',
      { source: remote },
      {
        signal,
        onProgress: (progress) => onProgress?.(progress as Api.LoadProgress),
        chunks: incoming?.chunks[Symbol.asyncIterator](),
      },
    );
    return new RemoteModel(this.caller, model, info, this.methods);
  }

  async close(): Promise<void> {
    try {
      await this.caller.call('close', { kind: 'engine', handle: 0 });
    } finally {
      this.caller.end(new AttnscopeError('closed', 'The engine was closed.'));
      this.end();
    }
  }
}

class RemoteModel implements Api.Model {
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

  async chat(messages: readonly Api.ChatMessage[]): Promise<string> {
    return this.caller.call('chat', { model: this.handle, messages: messagesOf(messages) });
  }

  async advise(options: Api.AdviseOptions = {}): Promise<Api.AdviceList> {
    return this.caller.call('advise', { model: this.handle, options });
  }

  async session(options: Api.SessionOptions): Promise<Api.Session> {
    const session = await this.caller.call('session', { model: this.handle, options });
    return new RemoteSession(this.caller, session, options);
  }

  async close(): Promise<void> {
    await this.caller.call('close', { kind: 'model', handle: this.handle });
  }
}

class RemoteSession implements Api.Session {
  constructor(
    private readonly caller: Caller,
    private readonly handle: number,
    readonly options: Api.SessionOptions,
  ) {}

  async *generate(given: Api.Prompt, options?: Api.GenerateOptions): Api.Steps {
    const { maxTokens, trace, signal, onProgress } = generateOptions(options);
    const prompt = promptOf(given);
    throwIfAborted(signal);
    const run = await this.caller.call('generate', { session: this.handle, prompt, options: { maxTokens, trace } });
    try {
      let choice: number | undefined;
      for (;;) {
        const step = await this.caller.call(
          'next',
          { run, choice },
          { signal, onProgress: (progress) => onProgress?.(progress as Api.GenerateProgress) },
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

  stats(): Promise<Api.Stats> {
    return this.caller.call('stats', { session: this.handle });
  }

  async close(): Promise<void> {
    await this.caller.call('close', { kind: 'session', handle: this.handle });
  }
}

async function prepare(source: Api.Source, signal?: AbortSignal): Promise<[RemoteSource, Incoming | null]> {
  if (typeof source === 'string' || source instanceof URL) return [{ kind: 'url', url: absolute(source) }, null];
  if (source instanceof Blob) return [{ kind: 'blob', blob: source }, null];
  const incoming = await openSource(source, signal);
  return [{ kind: 'chunks', total: incoming.total, remote: incoming.remote }, incoming];
}

/** Addresses are relative to the page, and the worker may live elsewhere. */
function absolute(url: string | URL): string {
  const base = typeof document === 'undefined' ? globalThis.location?.href : document.baseURI;
  try {
    return new URL(url, base).href;
  } catch (thrown) {
    throw new AttnscopeError('source', `${url} is not an address.`, { cause: thrown });
  }
}
