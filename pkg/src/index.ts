import { AttnscopeError } from './errors.js';
import { openLocal } from './local.js';
import { openRemote } from './remote.js';
import type { Engine, LoadOptions, Model, OpenOptions, Source } from './types.js';

export { AttnscopeError, type ErrorCode } from './errors.js';
export type * from './types.js';

/** Starts the engine without a model: for the list of methods, or to load several models one after the other. */
export async function open({ worker = typeof Worker === 'function', wasm }: OpenOptions = {}): Promise<Engine> {
  if (worker === false) return openLocal(wasm);
  if (typeof worker === 'object') return openRemote(worker, wasm, () => undefined);
  if (worker === true && typeof Worker !== 'function') {
    throw new AttnscopeError('unsupported', 'This environment has no Worker; pass worker: false.');
  }
  // The address stays a literal: bundlers look for exactly this form.
  const own = worker === true ? new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }) : worker();
  return openRemote(own, wasm, () => own.terminate());
}

/** Starts the engine and loads a model; closing the model ends both. */
export async function load(source: Source, options: LoadOptions = {}): Promise<Model> {
  return loadWith(open, source, options);
}

/** `load` over any way to open the engine. */
export async function loadWith(
  opening: (options: OpenOptions) => Promise<Engine>,
  source: Source,
  { worker, wasm, ...reading }: LoadOptions,
): Promise<Model> {
  reading.onProgress?.({ stage: 'engine', loaded: 0, total: null });
  const engine = await opening({ worker, wasm });
  try {
    const model = await engine.load(source, reading);
    return owning(model, engine);
  } catch (thrown) {
    await engine.close().catch(() => undefined);
    throw thrown;
  }
}

function owning(model: Model, engine: Engine): Model {
  return {
    info: model.info,
    methods: model.methods,
    encode: (text, options) => model.encode(text, options),
    decode: (ids) => model.decode(ids),
    chat: (messages) => model.chat(messages),
    advise: (options) => model.advise(options),
    session: (options) => model.session(options),
    close: () => engine.close(),
  };
}
