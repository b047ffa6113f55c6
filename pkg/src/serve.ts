import { AttnscopeError, aborted, throwIfAborted, toError, toPlain } from './errors.js';
import { type LocalEngine, type LocalModel, type LocalSession, openLocal } from './local.js';
import {
  buffersOf,
  type Calls,
  type FromWorker,
  type Opened,
  type Port,
  type Progress,
  type RemoteSource,
  type Swap,
  type ToWorker,
} from './protocol.js';
import type { Incoming } from './source.js';
import type * as Api from './types.js';

/** What a call gets beside its input. */
interface Context {
  id: number;
  signal: AbortSignal;
  progress: (progress: Progress) => void;
  swap: Swap;
}

type Handlers = { [K in keyof Calls]: (input: Calls[K]['in'], context: Context) => Promise<Calls[K]['out']> };

interface Run {
  steps: Api.Steps;
  stop: AbortController;
  /** The call that waits for the next step; reports of progress go there. */
  waiting: Context | null;
}

/**
 * Answers the calls of one client on `port`, with an engine that `openEngine` opens. Calls interleave: each `next` works
 * in slices and lets messages in.
 */
export function serve(port: Port, openEngine: typeof openLocal = openLocal): void {
  const send = (message: FromWorker, transfer: Transferable[] = []) => port.postMessage(message, transfer);
  const running = new Map<number, AbortController>();
  const feeds = new Map<number, Feed>();
  const swaps = new Map<number, Settle<Float32Array[]>>();
  const models = table<LocalModel>();
  const sessions = table<{ session: LocalSession; model: number }>();
  const runs = table<Run>();
  let engine: LocalEngine | null = null;

  const handlers: Handlers = {
    async open(files) {
      engine = await openEngine(files);
      return { methods: engine.methods };
    },
    async load({ source, options: given }, { id, signal, progress }) {
      if (!engine) throw new AttnscopeError('closed', 'The engine is not open.');
      const options = { ...given, signal, onProgress: progress, onNotice: progress };
      const model = await (source.kind === 'chunks'
        ? engine.loadFrom(feed(id, source, signal), options)
        : engine.load(source.kind === 'url' ? source.url : source.blob, options));
      return { model: models.add(model), info: model.info };
    },
    async gpu() {
      if (!engine) throw new AttnscopeError('closed', 'The engine is not open.');
      return engine.gpu();
    },
    encode: ({ model, text, parseSpecial, begin }) => models.get(model).encode(text, { parseSpecial, begin }),
    prompt: ({ model, prompt }) => models.get(model).tokens(prompt, null),
    decode: ({ model, ids }) => models.get(model).decode(ids),
    chat: ({ model, messages }) => models.get(model).chat(messages),
    encodeTurn: ({ model, messages, last }) => models.get(model).encodeTurn(messages, last),
    advise: ({ model, options }) => models.get(model).advise(options),
    session: async ({ model, options, place }) => opened(model, await models.get(model).session(options, place)),
    restore: async ({ model, bytes }) => opened(model, await models.get(model).restore(bytes)),
    async generate({ session, prompt, options: { reports, ...options } }) {
      const stop = new AbortController();
      const onProgress = reports ? (progress: Api.GenerateProgress) => run.waiting?.progress(progress) : undefined;
      const swap: Swap = (partial) => run.waiting!.swap(partial);
      const steps = sessions.get(session).session.run(prompt, { ...options, signal: stop.signal, onProgress }, swap);
      const run: Run = { steps, stop, waiting: null };
      return runs.add(run);
    },
    async next({ run: handle, choice }, context) {
      const run = runs.get(handle);
      context.signal.addEventListener('abort', () => run.stop.abort(), { once: true });
      run.waiting = context;
      const { value } = await run.steps.next(choice);
      return value ?? null;
    },
    async return({ run }) {
      await runs.take(run)?.steps.return();
      return null;
    },
    divergence: ({ session, from }) => sessions.get(session).session.divergence(sessions.get(from).session),
    stats: ({ session }) => sessions.get(session).session.stats(),
    save: ({ session }) => sessions.get(session).session.save(),
    async close({ kind, handle }) {
      if (kind === 'session') await sessions.take(handle)?.session.close();
      if (kind === 'model') await models.take(handle)?.close();
      if (kind === 'engine') await engine?.close();
      // What hung on it is closed with it.
      if (kind !== 'session') sessions.drop(({ model }) => kind === 'engine' || model === handle);
      if (kind === 'engine') models.drop(() => true);
      return null;
    },
  };

  function opened(model: number, session: LocalSession): Opened {
    return { session: sessions.add({ session, model }), options: session.options };
  }

  async function answer<K extends keyof Calls>(id: number, call: K, input: Calls[K]['in']): Promise<void> {
    const stop = new AbortController();
    running.set(id, stop);
    const progress = (value: Progress) => send({ id, progress: value }, buffersOf(value));
    try {
      const swap: Swap = (partial) => {
        throwIfAborted(stop.signal);
        const partials = new Promise<Float32Array[]>((resolve, reject) => swaps.set(id, { resolve, reject }));
        send({ id, partial }, [partial.buffer as ArrayBuffer]);
        return partials;
      };
      const value = await handlers[call](input, { id, signal: stop.signal, progress, swap });
      send({ id, value }, buffersOf(value));
    } catch (thrown) {
      send({ id, error: toPlain(thrown) });
    } finally {
      running.delete(id);
      feeds.delete(id);
      swaps.delete(id);
    }
  }

  function feed(id: number, source: RemoteSource & { kind: 'chunks' }, signal: AbortSignal): Incoming {
    const incoming = new Feed(() => send({ id, wants: true }), signal);
    feeds.set(id, incoming);
    return { chunks: incoming.chunks(), total: source.total, stage: source.stage };
  }

  port.addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
    // The scope of a worker is shared: bundlers and extensions send messages of their own.
    if (typeof data !== 'object' || data === null || typeof data.id !== 'number') return;
    if ('call' in data) void answer(data.id, data.call, data.input);
    else if ('abort' in data) {
      running.get(data.id)?.abort();
      swaps.get(data.id)?.reject(aborted());
    } else if ('partials' in data) swaps.get(data.id)?.resolve(data.partials);
    else if ('chunk' in data) feeds.get(data.id)?.give(data.chunk);
    else if ('failed' in data) feeds.get(data.id)?.fail(toError(data.failed));
  });
}

interface Settle<T> {
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

/** Chunks that the client sends one at a time, each only when it is wanted. */
class Feed {
  #settle: Settle<Uint8Array | null> | null = null;

  constructor(
    private readonly want: () => void,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', () => this.fail(toError(new DOMException('stopped', 'AbortError'))), {
      once: true,
    });
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    while (!this.signal.aborted) {
      const next = new Promise<Uint8Array | null>((resolve, reject) => {
        this.#settle = { resolve, reject };
      });
      this.want();
      const chunk = await next;
      if (chunk === null) return;
      yield chunk;
    }
  }

  give(chunk: Uint8Array | null): void {
    this.#settle?.resolve(chunk);
  }

  fail(error: Error): void {
    this.#settle?.reject(error);
  }
}

/** Things the client names by number. */
function table<T>() {
  const items = new Map<number, T>();
  let last = 0;
  return {
    add(item: T): number {
      items.set(++last, item);
      return last;
    },
    get(handle: number): T {
      const item = items.get(handle);
      if (item === undefined) throw new AttnscopeError('closed', 'This model or session was closed.');
      return item;
    },
    take(handle: number): T | undefined {
      const item = items.get(handle);
      items.delete(handle);
      return item;
    },
    drop(which: (item: T) => boolean): void {
      for (const [handle, item] of items) if (which(item)) items.delete(handle);
    },
  };
}
