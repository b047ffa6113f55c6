import { hostOptions } from './checks.js';
import { AttnscopeError, aborted } from './errors.js';
import { openRemote } from './remote.js';
import type { Engine, LoadOptions, Model, OpenOptions, Source } from './types.js';

export { AttnscopeError, type ErrorCode } from './errors.js';
export { type KeptModel, models, removeModel } from './models.js';
export type * from './types.js';

/** Starts the engine without a model: for the list of methods, or to load several models one after the other. */
export async function open(options: OpenOptions = {}): Promise<Engine> {
  const { worker = typeof Worker === 'function', wasm, projector } = options;
  const files = { wasm, projector };
  if (options.hosts !== undefined) return openOver(options);
  // A page that has a worker needs neither of the others, so they come when they are asked for.
  if (worker === false) return (await import('./local.js')).openLocal(files);
  if (typeof worker === 'object') return openRemote(worker, files, () => undefined);
  const own = makeWorker(worker);
  return openRemote(own, files, () => own.terminate());
}

/** Several engines, each in a worker of its own. */
async function openOver({ worker = true, wasm, projector, ...options }: OpenOptions): Promise<Engine> {
  const { hosts, limit } = hostOptions(options);
  if (typeof worker === 'object' || worker === false) {
    throw new AttnscopeError('unsupported', 'Each host has a worker of its own: worker may be true or make one.');
  }
  // What can be read once only is read once, for all.
  const source = wasm instanceof Response ? await wasm.arrayBuffer() : wasm;
  const { openHosts } = await import('./hosts.js');
  return openHosts(hosts, limit, (events) => {
    const own = makeWorker(worker);
    return openRemote(own, { wasm: source, projector }, () => own.terminate(), events);
  });
}

function makeWorker(worker: true | (() => Worker)): Worker {
  if (worker !== true) return worker();
  if (typeof Worker !== 'function') {
    throw new AttnscopeError('unsupported', 'This environment has no Worker; pass worker: false.');
  }
  // The address stays a literal: bundlers look for exactly this form.
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
}

/** Starts the engine and loads a model; closing the model ends both. */
export async function load(source: Source, options: LoadOptions = {}): Promise<Model> {
  return loadWith(open, source, options);
}

/** `load` over any way to open the engine. */
export async function loadWith(
  opening: (options: OpenOptions) => Promise<Engine>,
  source: Source,
  { worker, wasm, projector, hosts, hostTimeout, ...reading }: LoadOptions,
): Promise<Model> {
  reading.onProgress?.({ stage: 'engine', loaded: 0, total: null });
  const engine = await unlessAborted(opening({ worker, wasm, projector, hosts, hostTimeout }), reading.signal);
  try {
    const model = await engine.load(source, reading);
    return owning(model, engine);
  } catch (thrown) {
    await engine.close().catch(() => undefined);
    throw thrown;
  }
}

/** An engine that starts; when the signal comes first, it is closed as soon as it is there. */
async function unlessAborted(starting: Promise<Engine>, signal: AbortSignal | undefined): Promise<Engine> {
  if (!signal) return starting;
  const stopped = new Promise<never>((_, reject) => {
    const abort = () => reject(aborted(signal.reason));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    void starting.catch(() => undefined).finally(() => signal.removeEventListener('abort', abort));
  });
  return Promise.race([stopped, starting]).catch((thrown: unknown) => {
    void starting.then((engine) => engine.close()).catch(() => undefined);
    throw thrown;
  });
}

function owning(model: Model, engine: Engine): Model {
  return {
    info: model.info,
    methods: model.methods,
    encode: (text, options) => model.encode(text, options),
    decode: (ids) => model.decode(ids),
    prompt: (prompt) => model.prompt(prompt),
    chat: (messages) => model.chat(messages),
    encodeTurn: (messages, last) => model.encodeTurn(messages, last),
    advise: (options) => model.advise(options),
    session: (options) => model.session(options),
    restore: (bytes) => model.restore(bytes),
    close: () => engine.close(),
  };
}
